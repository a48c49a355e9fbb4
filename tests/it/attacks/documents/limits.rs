//! What is shown and what is used stays well within the limits.

use std::fs;
use std::path::Path;
use usher::config::DocumentSettings;
use usher::http::{Documents, Operation, Parameters};
use usher::model::Caller;

/// What the operations of a text cost, each that can be run.
fn costs(documents: &Documents, text: &str) -> Vec<u32> {
    let names = text.lines().filter_map(|line| {
        let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        let kind = words.next()?;
        let name = words.next()?;
        let is_operation = ["query", "mutation", "subscription"].contains(&kind);
        (is_operation && !name.is_empty()).then(|| name.to_owned())
    });
    let mut names: Vec<_> = names.map(Some).collect();
    if names.is_empty() {
        names.push(None);
    }
    let prepare = |operation_name| {
        let parameters = Parameters {
            query: Some(text.to_owned()),
            operation_name,
            ..Parameters::default()
        };
        Operation::prepare(documents, parameters, Caller::Anonymous)
            .unwrap_or_else(|error| panic!("{}: {text}", error.message))
            .cost
    };
    names.into_iter().map(prepare).collect()
}

#[test]
fn the_examples_of_graphiql_and_of_the_pages_may_be_run() {
    let documents = Documents::default();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = Vec::new();
    for example in fs::read_dir(root.join("web/graphiql/examples")).unwrap() {
        let path = example.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "graphql") {
            texts.push(fs::read_to_string(path).unwrap());
        }
    }
    let examples = texts.len();
    assert!(examples >= 5, "{examples}");
    let mut pages = vec![root.join("README.md")];
    pages.extend(
        fs::read_dir(root.join("docs"))
            .unwrap()
            .map(|page| page.unwrap().path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "md")),
    );
    for page in pages {
        let text = fs::read_to_string(page).unwrap();
        let blocks = text.split("```graphql\n").skip(1);
        let blocks = blocks.filter_map(|block| Some(block.split_once("```")?.0.to_owned()));
        // What is left out there is written as three dots.
        let blocks = blocks.filter(|block| !block.contains('…') && !block.contains("type "));
        // Operations that go one after the other have an empty line between them.
        texts.extend(blocks.flat_map(|block| {
            let operations: Vec<_> = block.split("\n\n").map(str::to_owned).collect();
            operations
        }));
    }
    assert!(texts.len() > examples, "the pages show some");
    let most = DocumentSettings::default().max_cost;
    for text in texts {
        for cost in costs(&documents, &text) {
            assert!((1..=most).contains(&cost), "{cost}: {text}");
        }
    }
}

#[test]
fn a_hold_costs_little_and_a_whole_map_much() {
    let documents = Documents::default();
    let cost = |text: &str| costs(&documents, text)[0];
    let hold = cost(
        "mutation($input: HoldSeatsInput!) { holdSeats(input: $input) { __typename \
           ... on SeatsHeld { token cursor hold { id expiresAt total { amountMinor currency } \
             seats { id label version } } } \
           ... on Refusal { code message } } }",
    );
    let compact = cost("{ event(id: 1) { seatMap { cursor compact { __typename } } } }");
    let map = cost("{ event(id: 1) { seatMap { cursor seats { id status version } } } }");
    assert!((20..100).contains(&hold), "{hold}");
    assert!((20..100).contains(&compact), "{compact}");
    assert!(map > 4_000, "{map}");
}
