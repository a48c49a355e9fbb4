"""What schemathesis needs to know of usher: `script/schemathesis` has it load this file.

It owns what counts as a failure, and strategies for the schema's own scalars. Which real
things are named in place of arbitrary ones is in `world.py`.
"""

import atexit
import sys
from pathlib import Path
from zlib import crc32

import schemathesis
from hypothesis import strategies as st
from schemathesis.graphql import nodes
from schemathesis.graphql.checks import GraphQLServerError

# schemathesis loads a file, and not a package.
sys.path.insert(0, str(Path(__file__).parent))

from world import World, literal  # noqa: E402

# The answers of a server that is well: the codes with which it says that the request was wrong,
# may not be, or came too late. Whatever else it says is a failure, INTERNAL_SERVER_ERROR as well as
# UNAVAILABLE and OPERATION_TIMEOUT: one client at a time is more than it has to be able to bear.
CODES = {
    "BAD_REQUEST",
    "BAD_USER_INPUT",
    "CONTENDED",
    "CURSOR_NOT_REACHED",
    "FORBIDDEN",
    "GRAPHQL_LIMIT_EXCEEDED",
    "GRAPHQL_PARSE_FAILED",
    "GRAPHQL_VALIDATION_FAILED",
    "IDEMPOTENCY_KEY_REUSED",
    "NOT_FOUND",
    "UNAUTHENTICATED",
}

MEDIA_TYPES = ["application/json", "application/graphql-response+json"]

WORLD = World()


def codes_of(response):
    """The codes of all errors of an answer; None stands for an error without one."""
    try:
        answer = response.json()
    except ValueError:
        return []
    errors = answer.get("errors") if isinstance(answer, dict) else None
    return [(error.get("extensions") or {}).get("code") for error in errors or []]


@schemathesis.check
def says_what_usher_documents(ctx, response, case):
    """No 5xx, no code of a server that failed, and an answer in the media type that was asked for."""
    assert response.status_code < 500, f"status {response.status_code}"
    unknown = [code for code in codes_of(response) if code not in CODES]
    assert not unknown, f"errors with the codes {unknown}"
    media_type = response.headers.get("content-type", [""])[0].partition(";")[0]
    assert media_type == case.headers["accept"], f"answered as {media_type!r}"


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """schemathesis takes every error that it does not know for one of the server."""
    if isinstance(failure, GraphQLServerError):
        return any(code not in CODES for code in codes_of(response))
    return True


@schemathesis.hook
def before_call(context, case, kwargs):
    """Puts real things into what is well-formed, so that more than the input's checks is tried.

    The document decides which, and not chance, so that a failure comes again when it is shrunk.
    """
    seed = crc32(str(case.body).encode())
    case.headers["accept"] = MEDIA_TYPES[seed % len(MEDIA_TYPES)]
    if isinstance(case.body, str) and not case.meta.generation.mode.is_negative:
        case.body = WORLD.made_real(case.body, seed)


@schemathesis.hook
def after_call(context, case, response):
    """Counts what became of it."""
    codes = [str(code) for code in codes_of(response)]
    WORLD.count(case.operation.label, codes or ["done"])


def moments():
    """Points in time, of which some are no use to anybody."""
    near = st.datetimes().map(lambda moment: moment.isoformat() + "Z")
    zones = st.sampled_from(["+02:00", "-11:45", "+99:99", "", "z"])
    far = st.tuples(st.datetimes(), zones).map(lambda parts: parts[0].isoformat() + parts[1])
    odd = st.sampled_from(["", "now", "2026-02-30T00:00:00Z", "0000-00-00T00:00:00Z", "+262142-12-31T23:59:59Z"])
    return st.one_of(near, far, odd)


def json_values():
    """Any JSON, as far as a document of GraphQL can write it: keys are names there."""
    names = st.from_regex(r"\A[_A-Za-z][_0-9A-Za-z]{0,8}\Z")
    numbers = st.integers(-(2**63), 2**64) | st.floats(allow_nan=False, allow_infinity=False)
    leaves = st.none() | st.booleans() | numbers | st.text(max_size=20)
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
        max_leaves=12,
    )


schemathesis.graphql.scalar("DateTime", moments().map(nodes.String))
schemathesis.graphql.scalar("Cursor", st.text(max_size=60).map(nodes.String))
schemathesis.graphql.scalar("MinorUnits", st.integers(-(2**63), 2**63).map(nodes.Int))
schemathesis.graphql.scalar("JSON", json_values().map(literal))
schemathesis.graphql.scalar("CompactSeats", st.text().map(nodes.String))
atexit.register(WORLD.tell)
