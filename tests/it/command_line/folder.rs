//! usher on a data folder of its own: what a first start makes, and the commands
//! beside a server that runs and without one.

use super::file;
use crate::support::actor::Actor;
use crate::support::checks;
use crate::support::program::{DataFolder, Server, Terminal, run};
use chrono::Utc;
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation, decode, encode};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The names of the events that somebody sees, each with its status.
async fn events(actor: &Actor) -> Vec<(String, String)> {
    let answer = actor
        .ask("{ events { nodes { name status } } }", json!({}))
        .await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let nodes = answer.data()["events"]["nodes"].as_array().unwrap();
    nodes
        .iter()
        .map(|event| (text(&event["name"]), text(&event["status"])))
        .collect()
}

/// Who somebody is taken for.
async fn viewer(actor: &Actor) -> Value {
    let answer = actor.ask("{ viewer { role subject } }", json!({})).await;
    answer.data()["viewer"].clone()
}

#[tokio::test]
async fn a_first_start_puts_three_events_on_sale_and_prints_links() {
    let folder = DataFolder::new();
    let mut server = folder.serve(&[]).await;
    let found = events(&server.visitor()).await;
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found.iter().all(|(_, status)| status == "ON_SALE"));

    let page = server.link("GraphiQL  ").await;
    assert_eq!(page, format!("{}/graphiql", server.url));
    assert_eq!(reqwest::get(page).await.unwrap().status(), 200);
    let file = folder.path().join("staff-token");
    assert_eq!(
        server.link("Token for staff").await,
        file.canonicalize().unwrap().to_str().unwrap()
    );
    let token = folder.staff_token();
    let staff = json!({"role": "STAFF", "subject": "staff"});
    assert_eq!(viewer(&server.bearer(&token)).await, staff);
    for secret in ["staff-token", "jwt-secret"] {
        let metadata = std::fs::metadata(folder.path().join(secret)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o077, 0, "{secret}");
    }
    // Both are kept by whoever runs a server, and read by others.
    for said in [server.log(), server.printed()] {
        let said = said.join("\n");
        assert!(!said.contains(&token), "this has the staff token: {said}");
    }
    server.stop().await;
}

#[tokio::test]
async fn the_link_for_staff_is_shown_once_and_on_a_terminal_only() {
    let folder = DataFolder::new();
    let command = folder.usher(&["--listen", "127.0.0.1:0", "--no-demo"]);
    let mut server = Server::start_on(command, Terminal::open()).await;
    let link = server.link("GraphiQL, staff").await;
    let token = folder.staff_token();
    assert_eq!(link, format!("{}/graphiql#token={token}", server.url));
    server.stop().await;

    let command = folder.usher(&["--listen", "127.0.0.1:0", "--no-demo"]);
    let mut server = Server::start_on(command, Terminal::open()).await;
    let file = server.link("Token for staff").await;
    assert!(file.ends_with("/staff-token"), "{file}");
    let printed = server.printed().join("\n");
    assert!(!printed.contains(&token), "it is shown again: {printed}");
    server.stop().await;
}

#[tokio::test]
async fn a_second_start_finds_everything_again() {
    let folder = DataFolder::new();
    let server = folder.serve(&["--no-demo"]).await;
    assert_eq!(events(&server.visitor()).await, []);
    let token = folder.staff_token();
    server.stop().await;

    // Empty is what it was to stay; now the demo is wanted.
    let mut server = folder.serve(&[]).await;
    let file = server.link("Token for staff").await;
    let kept = std::fs::read_to_string(file).unwrap();
    assert_eq!(kept.trim(), token, "it is still good");
    assert_eq!(viewer(&server.bearer(&token)).await["role"], "STAFF");
    let held = hold_first_seat(&server).await;
    server.stop().await;

    let server = folder.serve(&[]).await;
    assert_eq!(events(&server.visitor()).await.len(), 3, "loaded once");
    expect_still_held(&server, &held).await;
    server.stop().await;
}

#[tokio::test]
async fn settings_that_postgresql_cannot_read_are_not_passed_over_in_silence() {
    let folder = DataFolder::new();
    std::fs::create_dir(folder.path()).unwrap();
    let file = folder.path().join("postgres.local.conf");
    std::fs::write(&file, "max_connections = 40\n").unwrap();
    for (mode, warnings) in [(0o000, 1), (0o644, 0)] {
        std::fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        let server = folder.serve(&["--no-demo"]).await;
        server.signal(Signal::SIGTERM);
        let (code, log) = server.ended().await;
        assert_eq!(code, Some(0), "{log:#?}");
        let told = log.iter().filter(|line| line.contains("local.conf"));
        assert_eq!(told.count(), warnings, "{log:#?}");
    }
}

#[tokio::test]
async fn a_folder_with_a_plan_or_a_venue_is_not_empty() {
    let of_plans = DataFolder::new();
    let club = file("demo/plans/club.json");
    let import = of_plans.usher(&["plan", "import", club.to_str().unwrap()]);
    run(import).await.printed();

    let of_venues = DataFolder::new();
    let server = of_venues.serve(&["--no-demo"]).await;
    let staff = server.bearer(&of_venues.staff_token());
    let create =
        "mutation($input: CreateVenueInput!) { createVenue(input: $input) { __typename } }";
    let input = json!({"input": {"name": "Hall", "timeZone": "Europe/Berlin"}});
    staff.ask(create, input).await.data();
    server.stop().await;

    for folder in [of_plans, of_venues] {
        let server = folder.serve(&[]).await;
        assert_eq!(events(&server.visitor()).await, []);
        let printed = server.printed().join("\n");
        assert!(printed.contains("There is no event yet"), "{printed}");
        server.stop().await;
    }
}

/// Holds the first seat of the demo's first event; answers the token of the hold.
pub async fn hold_first_seat(server: &Server) -> String {
    let visitor = server.visitor();
    let event = first_event(&visitor).await;
    let seats = visitor.seats(&event).await;
    let answer = visitor.hold(&event, &seats[..1]).await;
    answer.data()["token"].as_str().unwrap().to_owned()
}

pub async fn first_event(actor: &Actor) -> String {
    let answer = actor
        .ask("{ events(first: 1) { nodes { id } } }", json!({}))
        .await;
    let event = &answer.data()["events"]["nodes"][0]["id"];
    event.as_str().unwrap().to_owned()
}

/// The hold that [`hold_first_seat`] made can be booked.
pub async fn expect_still_held(server: &Server, token: &str) {
    let booked = server.visitor().confirm(token).await;
    let booking = &booked.data()["booking"];
    assert_eq!(booking["seats"][0]["status"], "BOOKED", "{booking}");
    assert_eq!(booking["seats"][0]["version"], 3);
}

#[tokio::test]
async fn a_token_is_believed_by_the_server_on_the_same_folder() {
    let folder = DataFolder::new();
    let server = folder.serve(&["--no-demo"]).await;
    let mint = async |arguments: &[&str]| {
        let mut command = folder.usher(&["token", "--subject", "anna"]);
        command.args(arguments);
        run(command).await.printed().to_owned()
    };
    for (arguments, role) in [
        (&[][..], "BUYER"),
        (&["--role", "BUYER"], "BUYER"),
        (&["--role", "staff", "--valid-for", "5m"], "STAFF"),
    ] {
        let token = mint(arguments).await;
        let anna = json!({"role": role, "subject": "anna"});
        assert_eq!(viewer(&server.bearer(&token)).await, anna);
    }

    // The same token, but of yesterday: signed with the server's own key.
    let key = std::fs::read(folder.path().join("jwt-secret")).unwrap();
    let key = key.trim_ascii();
    let before = Utc::now().timestamp();
    let token = mint(&["--valid-for", "90s"]).await;
    let after = Utc::now().timestamp();
    let decoded = decode::<Value>(
        &token,
        &DecodingKey::from_secret(key),
        &Validation::default(),
    );
    let mut claims = decoded.unwrap().claims;
    let minted_at = claims["exp"].as_i64().unwrap() - 90;
    assert!((before..=after).contains(&minted_at), "{claims}");
    claims["exp"] = json!(before - 24 * 60 * 60);
    let signed = encode(&Header::default(), &claims, &EncodingKey::from_secret(key));
    let expired = server.bearer(&signed.unwrap());
    let refused = expired.ask("{ viewer { role } }", json!({})).await;
    assert_eq!(refused.error_code(), "UNAUTHENTICATED");
    assert!(refused.error_message().contains("expired"));

    // Of another folder, and so of another key.
    let other = DataFolder::new();
    std::fs::create_dir(other.path()).unwrap();
    let foreign = run(other.usher(&["token", "--subject", "anna"])).await;
    let foreign = server.bearer(foreign.printed());
    let refused = foreign.ask("{ viewer { role } }", json!({})).await;
    assert_eq!(refused.error_code(), "UNAUTHENTICATED");
    server.stop().await;
}

#[tokio::test]
async fn a_key_is_made_for_a_token_only_and_then_named() {
    let folder = DataFolder::new();
    let nobody = run(folder.usher(&["token", "--subject", ""])).await;
    let complaint = nobody.complaint();
    assert!(complaint.contains("subject"), "{complaint}");
    assert!(!folder.path().exists());

    let mint = async || run(folder.usher(&["token", "--subject", "anna"])).await;
    let first = mint().await;
    assert_eq!(first.printed().lines().count(), 1);
    let key = folder.path().join("jwt-secret");
    assert!(first.errors.contains(key.to_str().unwrap()), "{first:?}");
    assert_eq!(mint().await.errors, "");
}

#[tokio::test]
async fn a_plan_is_imported_with_a_server_and_without() {
    let folder = DataFolder::new();
    let import = async |path: &str| run(folder.usher(&["plan", "import", path])).await;
    let theatre = file("demo/plans/theatre.json");
    let theatre = theatre.to_str().unwrap();
    let before = import(theatre).await;
    assert_eq!(folder.postgres(), None, "it stops what it started");
    let server = folder.serve(&["--no-demo"]).await;
    let beside = import(theatre).await;
    let staff = server.bearer(&folder.staff_token());
    for imported in [before, beside] {
        let printed = imported.printed();
        let (what, id) = printed.split_once(": ").unwrap();
        assert_eq!(what, "Lantern Theatre has 500 seats");
        let query = "query($id: ID!) { node(id: $id) { ... on SeatingPlan { name seatCount } } }";
        let answer = staff.ask(query, json!({"id": id})).await;
        let plan = json!({"name": "Lantern Theatre", "seatCount": 500});
        assert_eq!(answer.data()["node"], plan);
    }

    let bad_plan = folder.path().join("bad-plan.json");
    let mut plan: Value = serde_json::from_slice(&std::fs::read(theatre).unwrap()).unwrap();
    plan["zones"][0]["rows"][0]["seats"][0]["category"] = json!("Roof");
    plan["zones"][0]["rows"][0]["seats"][1]["seat_guid"] = json!(null);
    std::fs::write(&bad_plan, plan.to_string()).unwrap();
    let refused = import(bad_plan.to_str().unwrap()).await;
    assert_eq!((refused.code, refused.output.as_str()), (1, ""));
    let mut lines = refused.errors.lines();
    assert_eq!(
        lines.next(),
        Some(&*format!(
            "usher: {} was refused, nothing was stored:",
            bad_plan.display()
        ))
    );
    for path in [
        "zones[0].rows[0].seats[0].category: ",
        "zones[0].rows[0].seats[1].seat_guid: ",
    ] {
        let line = lines.next().unwrap();
        assert!(line.starts_with(path), "{line}");
    }
    assert_eq!(lines.next(), None);
    let from_standard_input = async |path: &Path| {
        let mut command = folder.usher(&["plan", "import", "-"]);
        command.stdin(File::open(path).unwrap());
        run(command).await
    };
    let refused = from_standard_input(&bad_plan).await;
    let expected = "usher: standard input was refused, nothing was stored:\nzones[0]";
    assert!(refused.errors.starts_with(expected), "{refused:?}");
    let mut sql = folder.sql().await;
    assert_eq!(checks::count(&mut sql, "seating_plans").await, 2);
    let imported = from_standard_input(Path::new(theatre)).await;
    let expected = "Lantern Theatre has 500 seats: ";
    assert!(imported.printed().starts_with(expected), "{imported:?}");
    assert_eq!(checks::count(&mut sql, "seating_plans").await, 3);
    server.stop().await;
}

#[tokio::test]
async fn migrations_run_once() {
    let folder = DataFolder::new();
    let migrate = async || run(folder.usher(&["migrate"])).await;
    let first = migrate().await;
    let ran: Vec<&str> = first.printed().lines().collect();
    let written = std::fs::read_dir(file("migrations")).unwrap().count();
    assert_eq!(ran.len(), written, "{ran:?}");
    assert!(ran.iter().all(|line| line.starts_with("migrated: ")));
    assert_eq!(folder.postgres(), None, "it stops what it started");
    assert_eq!(migrate().await.printed(), "the database is up to date");

    let server = folder.serve(&[]).await;
    assert_eq!(migrate().await.printed(), "the database is up to date");
    assert_eq!(events(&server.visitor()).await.len(), 3);
    server.stop().await;
}

/// Compose files and unit files set variables to nothing.
#[tokio::test]
async fn an_empty_variable_is_as_none() {
    let folder = DataFolder::new();
    let mut command = folder.usher(&["--listen", "127.0.0.1:0"]);
    for variable in ["DATABASE_URL", "USHER_POSTGRES_BIN", "USHER_JWT_SECRET"] {
        command.env(variable, "");
    }
    command.env("USHER_NO_DEMO", "").env("USHER_DEMO", "off");
    let server = Server::start(command).await;
    assert_ne!(folder.postgres(), None, "it has its own PostgreSQL");
    assert_eq!(events(&server.visitor()).await.len(), 3);
    server.stop().await;
}

#[tokio::test]
async fn two_ushers_do_not_share_a_folder() {
    let folder = DataFolder::new();
    let server = folder.serve(&["--no-demo"]).await;
    let second = run(folder.usher(&["--listen", "127.0.0.1:0"])).await;
    let complaint = second.complaint();
    let path = folder.path().canonicalize().unwrap();
    let process = server.process();
    for expected in [
        &format!("another usher (process {process}) is already running"),
        path.to_str().unwrap(),
        "USHER_DATA_DIR",
    ] {
        assert!(complaint.contains(expected), "{complaint}");
    }
    assert_eq!(events(&server.visitor()).await, [], "the first one runs on");
    server.stop().await;
}
