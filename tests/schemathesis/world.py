"""Real things of a running usher, to be named in documents in place of arbitrary ones.

What schemathesis makes up is well-formed and means nothing: no such event, no such token. Here
events, seats at their versions, tokens of holds and references of bookings are got from the server
(as whom schemathesis asks), so that mutations come as far as the database. About one value in twelve
stays as it was made up.

It must never judge an answer: that is for the checks in `hooks.py`.
"""

import copy
import os
import random
import secrets
from collections import Counter

import graphql
import requests
from graphql.language import ast

# How often what was made up is left in place of something real.
MADE_UP = 0.08

EVENTS = """{ events(first: 20) { nodes { id version status venue { id version } plan { id }
    prices { category } } pageInfo { endCursor } } }"""
SEATS = """query($id: ID!) { event(id: $id) { seats(first: 60) { nodes { id version status zone }
    pageInfo { endCursor } } } }"""
VENUES = "{ venues(first: 2) { pageInfo { endCursor } } }"
HOLD = """mutation($input: HoldBestAvailableInput!) { holdBestAvailable(input: $input) {
    ... on SeatsHeld { token cursor hold { id seats { id } } } } }"""
CONFIRM = """mutation($input: ConfirmHoldInput!) { confirmHold(input: $input) {
    ... on HoldConfirmed { booking { id reference version seats { id } } } } }"""
CREATE = """mutation($input: CreateEventInput!) { createEvent(input: $input) {
    ... on EventCreated { event { id version } } } }"""
OPEN = """mutation($input: OpenSaleInput!) { openSale(input: $input) { __typename } }"""

PLAN = {
    "name": "Small hall",
    "size": {"width": 400, "height": 300},
    "categories": [{"name": "Stalls", "color": "#0072b2"}, {"name": "Standing", "color": "#d55e00"}],
    "zones": [
        {
            "name": "Stalls",
            "zone_id": "stalls",
            "position": {"x": 10, "y": 10},
            "areas": [],
            "rows": [
                {
                    "row_number": row,
                    "row_number_position": "both",
                    "position": {"x": 0, "y": 20},
                    "seats": [
                        {
                            "seat_guid": f"stalls-{row}-{seat}",
                            "seat_number": str(seat),
                            "category": "Stalls",
                            "position": {"x": seat * 20, "y": 0},
                        }
                        for seat in range(1, 4)
                    ],
                }
                for row in "AB"
            ],
        },
        {
            "name": "Floor",
            "zone_id": "floor",
            "position": {"x": 10, "y": 200},
            "areas": [],
            "rows": [],
            "general_admission": {"capacity": 20, "category": "Standing"},
        },
    ],
}

ODD = [None, True, -1, 0, 1.5, 2**31, 2**63, 1e308, "", " ", "A\u0000", "\u202e", "x" * 300, [], {}]


def literal(value):
    """A value of JSON as a document writes it."""
    match value:
        case None:
            return ast.NullValueNode()
        case bool():
            return ast.BooleanValueNode(value=value)
        case int():
            return ast.IntValueNode(value=str(value))
        case float():
            return ast.FloatValueNode(value=repr(value))
        case str():
            return ast.StringValueNode(value=value)
        case list():
            return ast.ListValueNode(values=tuple(literal(item) for item in value))
        case dict():
            return ast.ObjectValueNode(fields=tuple(field(name, literal(item)) for name, item in value.items()))
    raise TypeError(f"{value!r} is no JSON")


def field(name, node):
    return ast.ObjectFieldNode(name=ast.NameNode(value=name), value=node)


class World:
    def __init__(self):
        self.url = os.environ["USHER_URL"] + "/graphql"
        self.session = requests.Session()
        if token := os.environ.get("USHER_TOKEN"):
            self.session.headers["authorization"] = f"Bearer {token}"
        self.cursors = []
        self.keys = []
        self.counts = Counter()

    def ask(self, query, **variables):
        """What the server says; nothing when it refuses."""
        body = {"query": query, "variables": variables}
        answer = self.session.post(self.url, json=body, timeout=60).json()
        data = answer.get("data") or {}
        return next(iter(data.values()), None) or {}

    def made_real(self, document, seed):
        """The document, with real things in most places that name one."""
        try:
            parsed = graphql.parse(document)
        except graphql.GraphQLSyntaxError:
            return document
        return graphql.print_ast(graphql.visit(parsed, Naming(Scene(self, random.Random(seed)))))

    def count(self, operation, outcomes):
        for outcome in outcomes:
            self.counts[operation, outcome] += 1

    def tell(self):
        """What became of all that was asked: nothing is proven by refusals alone."""
        print("\nWhat was answered to which operation:")
        operations = sorted({operation for operation, _ in self.counts})
        for operation in operations:
            outcomes = {outcome: n for (of, outcome), n in self.counts.items() if of == operation}
            told = ", ".join(f"{n} {outcome}" for outcome, n in sorted(outcomes.items()))
            print(f"  {operation}: {told}")


class Scene:
    """One event and what one buyer may have to do with it, got when it is first named."""

    def __init__(self, world, chance):
        self.world = world
        self.chance = chance
        listed = world.ask(EVENTS)
        self.after = (listed.get("pageInfo") or {}).get("endCursor")
        events = listed.get("nodes", [])
        on_sale = [event for event in events if event["status"] == "ON_SALE"]
        # Sales are closed and events cancelled as well: there is always one more.
        if len(on_sale) < 3 and events:
            self.open_another(chance.choice(events))
        # An event that is on sale nine times in ten, so that there is something to be had.
        wanted = on_sale if on_sale and chance.random() < 0.9 else events
        self.event = chance.choice(wanted) if wanted else None
        seats = world.ask(SEATS, id=self.event["id"])["seats"] if self.event else {}
        self.of_event = seats.get("nodes", [])
        self.after_seats = (seats.get("pageInfo") or {}).get("endCursor")
        self._hold = None
        self._booking = None

    def open_another(self, like):
        """Puts another event on sale; only staff may."""
        prices = [{"category": price["category"], "amountMinor": 1_200} for price in like["prices"]]
        created = self.world.ask(CREATE, input={
            "venueId": like["venue"]["id"],
            "planId": like["plan"]["id"],
            "name": "One more",
            "startsAt": "2099-12-31T19:30:00Z",
            "currency": "EUR",
            "prices": prices,
        }).get("event")
        if created:
            self.world.ask(OPEN, input={"eventId": created["id"], "version": created["version"]})

    @property
    def hold(self):
        if self._hold is None:
            held = {}
            if self.event:
                quantity = self.chance.randint(1, 3)
                held = self.world.ask(HOLD, input={"eventId": self.event["id"], "quantity": quantity})
            self._hold = held or {"token": "none", "hold": {"seats": []}}
            if "cursor" in held:
                self.world.cursors = self.world.cursors[-20:] + [held["cursor"]]
        return self._hold

    @property
    def booking(self):
        if self._booking is None:
            booked = self.world.ask(CONFIRM, input={"token": self.hold["token"]})
            self._booking = booked.get("booking") or {"reference": "none", "version": 1, "seats": []}
        return self._booking

    def seats(self):
        """Some seats at their versions, or one of them twice, or at another version."""
        of_event = self.of_event
        if self.chance.random() < 0.8:
            of_event = [seat for seat in of_event if seat["status"] == "AVAILABLE"] or of_event
        seats = self.chance.sample(of_event, min(len(of_event), self.chance.randint(1, 4)))
        late = [self.chance.random() < 0.1 for _ in seats]
        return [{"seatId": seat["id"], "version": seat["version"] + off} for seat, off in zip(seats, late)]

    def version(self, siblings):
        if "seatId" in siblings:
            return None
        if "reference" in siblings:
            return self.booking["version"]
        return self.event["venue"]["version"] if "venueId" in siblings else self.event["version"]

    def plan(self):
        """A plan that is right, or has one thing in it that is not."""
        plan = copy.deepcopy(PLAN)
        if self.chance.random() < 0.6:
            spoil(plan, self.chance)
        return plan

    def idempotency_key(self):
        if not self.world.keys or self.chance.random() < 0.85:
            self.world.keys = self.world.keys[-20:] + [secrets.token_urlsafe(18)]
            return self.world.keys[-1]
        return self.chance.choice(self.world.keys)

    def real(self, name, siblings, where):
        """Something real of that name; nothing where there is none."""
        if self.chance.random() < MADE_UP or not self.of_event:
            return None
        chance, event = self.chance, self.event
        match name:
            case "eventId":
                return event["id"]
            case "venueId":
                return event["venue"]["id"]
            case "planId":
                return event["plan"]["id"]
            case "id" if where == "event":
                return event["id"]
            case "id":
                booking, hold = self.booking.get("id"), self.hold["hold"].get("id")
                seat = chance.choice(self.of_event)["id"]
                return chance.choice([event["id"], event["venue"]["id"], event["plan"]["id"], seat, booking, hold])
            case "seats" | "takeSeats":
                return self.seats()
            case "seatIds" | "giveSeatIds":
                of = self.booking if "reference" in siblings else self.hold["hold"]
                ids = [seat["id"] for seat in of["seats"]]
                return ids[: chance.randint(1, 3)]
            case "version" | "bookingVersion":
                return self.version(siblings)
            case "token" | "holdToken":
                return self.hold["token"]
            case "reference":
                return self.booking["reference"]
            case "idempotencyKey":
                return self.idempotency_key()
            case "category":
                return chance.choice(event["prices"])["category"]
            case "zone":
                return chance.choice(self.of_event)["zone"]
            case "zones":
                return [chance.choice(self.of_event)["zone"]]
            case "prices":
                return [{"category": price["category"], "amountMinor": 1_500} for price in event["prices"]]
            case "currency":
                return chance.choice(["EUR", "JPY", "KWD", "XXX"])
            case "timeZone":
                return chance.choice(["Europe/Berlin", "Pacific/Apia", "UTC"])
            case "first":
                return chance.randint(1, 60)
            case "after" if where == "venues":
                return self.world.ask(VENUES)["pageInfo"]["endCursor"]
            case "after":
                return self.after if where == "events" else self.after_seats
            case "atLeast":
                return chance.choice(self.world.cursors) if self.world.cursors else None
            case "quantity" | "maxSeatsPerHold" | "maxSeatsPerBuyer" | "maxHoldsPerBuyer":
                return chance.randint(1, 6)
            case "accessible" if "quantity" in siblings:
                return 0
            case "holdSeconds":
                return chance.randint(1, 600)
            case "holdTotalSeconds":
                return chance.randint(600, 3_600)
            case "name" | "buyer" | "paymentReference":
                return chance.choice(["anna", "Zoë", "x" * 60, "日本語"])
            case "saleStartsAt" | "startsFrom":
                return chance.choice(["2020-01-01T00:00:00Z", "1970-01-01T00:00:00+13:00"])
            case "startsAt" | "startsBefore":
                return "2098-12-31T19:30:00Z"
            case "saleEndsAt" | "endsAt":
                return "2098-12-31T21:30:00.5-02:00"
            case "document":
                return self.plan()
        return None


def spoil(value, chance):
    """Takes one thing away, or puts something odd in its place, at any depth."""
    places = list(value) if isinstance(value, dict) else list(range(len(value)))
    if not places:
        return
    place = chance.choice(places)
    inner = value[place]
    if isinstance(inner, (dict, list)) and inner and chance.random() < 0.8:
        spoil(inner, chance)
    elif chance.random() < 0.3:
        del value[place]
    else:
        value[place] = chance.choice(ODD)


class Naming(graphql.Visitor):
    """Puts what a scene has in place of what a document names."""

    def __init__(self, scene):
        super().__init__()
        self.scene = scene

    # On leaving: what was put in is not looked at again.
    def leave_field(self, node, *_):
        names = {argument.name.value for argument in node.arguments or ()}
        where = node.name.value
        arguments = tuple(self.renamed(argument, names, where) for argument in node.arguments or ())
        return changed(node, arguments=arguments)

    def leave_object_value(self, node, *_):
        names = {inner.name.value for inner in node.fields}
        return changed(node, fields=tuple(self.renamed(inner, names, None) for inner in node.fields))

    def renamed(self, node, siblings, where):
        real = self.scene.real(node.name.value, siblings, where)
        if real is None or real == []:
            return node
        # An argument that is an object of its own, or what is not what its name says.
        if isinstance(node.value, ast.NullValueNode) and self.scene.chance.random() < 0.3:
            return node
        return changed(node, value=literal(real))


def changed(node, **parts):
    """A copy of a node with other parts."""
    kept = {key: getattr(node, key) for key in node.keys if key != "loc"}
    return type(node)(**{**kept, **parts})
