//! What operators are told about keys, and the tokens that they make.

use crate::support::House;
use crate::support::keys::KeyPair;
use crate::support::program::{DataFolder, Server, Terminal, run, usher};
use serde_json::{Value, json};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

const SECRET: &str = "as long as a secret has to be: 32 bytes";

async fn viewer(server: &Server, token: &str) -> Value {
    let answer = server
        .bearer(token)
        .ask("{ viewer { role subject } }", json!({}))
        .await;
    match answer.0.get("errors") {
        None => answer.data()["viewer"].clone(),
        Some(errors) => errors[0]["message"].clone(),
    }
}

fn write(folder: &DataFolder, name: &str, content: &str) -> PathBuf {
    let path = folder.path().with_file_name(name);
    std::fs::write(&path, content).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}

#[tokio::test]
async fn others_reach_a_server_only_with_a_configured_key() {
    let house = House::open().await;
    for address in [
        "0.0.0.0:0",
        "[::]:0",
        "192.0.2.1:80",
        "[::ffff:192.0.2.1]:80",
    ] {
        for url in ["", &house.database_url] {
            let folder = DataFolder::new();
            let mut command = folder.usher(&["--listen", address]);
            // Neither is a key.
            command
                .env("DATABASE_URL", url)
                .env("USHER_JWT_SECRET", "")
                .env("USHER_JWT_ISSUER", "https://id.example");
            let answered = run(command).await;
            let complaint = answered.complaint();
            for said in [
                "from other machines",
                "USHER_JWT_SECRET",
                "USHER_JWT_KEYS",
                "127.0.0.1",
            ] {
                assert!(complaint.contains(said), "{complaint}");
            }
            assert!(!folder.path().exists(), "nothing was begun");
        }
    }
    // A key that usher has made up for itself on this machine is not one that was chosen.
    let folder = DataFolder::new();
    run(folder.usher(&["token", "--subject", "anna"]))
        .await
        .printed();
    assert!(folder.path().join("jwt-secret").exists());
    let answered = run(folder.usher(&["--listen", "0.0.0.0:0"])).await;
    assert!(answered.complaint().contains("no key is configured"));

    let pair = KeyPair::ed25519();
    let keys = write(&folder, "keys.pem", &pair.public_pem);
    for address in ["127.0.0.2:0", "[::ffff:127.0.0.1]:0", "0.0.0.0:0"] {
        let mut command = usher(&["--listen", address]);
        command.env("DATABASE_URL", &house.database_url);
        if address.starts_with("0.") {
            command.env("USHER_JWT_KEYS", &keys);
        }
        Server::start(command).await.stop().await;
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_used_is_said_at_the_start() {
    let house = House::open().await;
    let folder = DataFolder::new();
    let short = write(&folder, "short", "hunter2\n");
    let empty = write(&folder, "empty", "\n");
    let no_keys = write(&folder, "keys", "{\"keys\": []}");
    let [short, empty, no_keys] = [&short, &empty, &no_keys].map(|path| path.to_str().unwrap());
    for (settings, said) in [
        (&[("USHER_JWT_SECRET", "hunter2")][..], "at least 32"),
        (&[("USHER_JWT_SECRET_FILE", short)], "at least 32"),
        (&[("USHER_JWT_SECRET_FILE", empty)], "is empty"),
        (&[("USHER_JWT_SECRET_FILE", "/nonexistent")], "/nonexistent"),
        (
            &[
                ("USHER_JWT_SECRET", SECRET),
                ("USHER_JWT_SECRET_FILE", short),
            ],
            "are both given",
        ),
        (&[("USHER_JWT_KEYS", no_keys)], "no public key"),
        (&[("USHER_JWT_KEYS", "/nonexistent")], "/nonexistent"),
    ] {
        let mut command = usher(&["--listen", "127.0.0.1:0"]);
        command
            .env("DATABASE_URL", &house.database_url)
            .envs(settings.iter().copied());
        let answered = run(command).await;
        let complaint = answered.complaint();
        assert!(complaint.contains(said), "{complaint}");
        assert!(!complaint.contains("hunter2"), "{complaint}");
    }
}

#[tokio::test]
async fn a_token_is_made_as_the_settings_want_it() {
    let house = House::open().await;
    let folder = DataFolder::new();
    let secret = write(&folder, "secret", &format!("{SECRET}\n"));
    let settings = [
        ("USHER_JWT_SECRET_FILE", secret.to_str().unwrap()),
        ("USHER_JWT_ISSUER", "https://id.example"),
        ("USHER_JWT_AUDIENCE", "usher"),
        ("USHER_JWT_ROLE_CLAIM", "groups"),
    ];
    let server = Server::beside_with(&house, &[], &settings).await;
    let mint = async |role: &str, settings: &[(&str, &str)]| {
        let mut command = usher(&["token", "--subject", "desk 2", "--role", role]);
        command.envs(settings.iter().copied());
        run(command).await.printed().to_owned()
    };
    for role in ["STAFF", "BOX_OFFICE", "BUYER"] {
        let token = mint(role, &settings).await;
        let expected = json!({"role": role, "subject": "desk 2"});
        assert_eq!(viewer(&server, &token).await, expected);
    }
    // With other settings it is a token for another server.
    for (missing, said) in [(1, "issuer"), (2, "audience"), (3, "role")] {
        let mut others = settings.to_vec();
        others.remove(missing);
        let refused = viewer(&server, &mint("STAFF", &others).await).await;
        assert!(refused.as_str().unwrap().contains(said), "{refused}");
    }
    server.stop().await;
}

#[tokio::test]
async fn who_has_public_keys_only_signs_with_a_private_one() {
    let folder = DataFolder::new();
    let pairs = [KeyPair::rsa(), KeyPair::p256(), KeyPair::ed25519()];
    let public: String = pairs.iter().map(|pair| pair.public_pem.clone()).collect();
    let keys = write(&folder, "keys.pem", &public);
    let mint = async |arguments: &[&str]| {
        let mut command = folder.usher(&["token", "--subject", "tess", "--role", "STAFF"]);
        command.args(arguments).env("USHER_JWT_KEYS", &keys);
        run(command).await
    };
    let refused = mint(&[]).await;
    let complaint = refused.complaint();
    assert!(complaint.contains("--signing-key"), "{complaint}");
    let of_public = mint(&["--signing-key", keys.to_str().unwrap()]).await;
    assert!(of_public.complaint().contains("no private key"));
    let missing = mint(&["--signing-key", "/nonexistent"]).await;
    assert!(missing.complaint().contains("/nonexistent"));

    // On a folder of its own: with a configured key usher makes up none.
    let mut command = folder.usher(&["--listen", "127.0.0.1:0", "--no-demo"]);
    command.env("USHER_JWT_KEYS", &keys);
    let server = Server::start(command).await;
    for pair in &pairs {
        let private = write(&folder, "private.pem", &pair.private_pem);
        let token = mint(&["--signing-key", private.to_str().unwrap()]).await;
        let tess = json!({"role": "STAFF", "subject": "tess"});
        assert_eq!(viewer(&server, token.printed()).await, tess);
    }
    for name in ["jwt-secret", "staff-token"] {
        assert!(!folder.path().join(name).exists(), "{name}");
    }
    let printed = server.printed().join("\n");
    for line in ["GraphiQL, staff", "Token for staff"] {
        assert!(!printed.contains(line), "{printed}");
    }
    server.stop().await;
}

/// Whoever has the key says who is staff: there is no token of a year that nobody asked for.
#[tokio::test]
async fn with_a_secret_there_is_no_staff_token() {
    let folder = DataFolder::new();
    let mut command = folder.usher(&["--listen", "127.0.0.1:0", "--no-demo"]);
    command.env("USHER_JWT_SECRET", "s".repeat(32));
    let server = Server::start_on(command, Terminal::open()).await;
    for name in ["jwt-secret", "staff-token"] {
        assert!(!folder.path().join(name).exists(), "{name}");
    }
    let printed = server.printed().join("\n");
    for line in ["GraphiQL, staff", "Token for staff"] {
        assert!(!printed.contains(line), "{printed}");
    }
    let mut mint = folder.usher(&["token", "--subject", "tess", "--role", "STAFF"]);
    mint.env("USHER_JWT_SECRET", "s".repeat(32));
    let tess = json!({"role": "STAFF", "subject": "tess"});
    assert_eq!(viewer(&server, run(mint).await.printed()).await, tess);
    server.stop().await;
}
