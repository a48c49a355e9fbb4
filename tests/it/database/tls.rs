//! TLS to a real PostgreSQL, whose certificate is right, of somebody else, of a stranger, or too
//! old. Each is met with the built program, as operators meet it.

use crate::support::certificates::{Authority, Certificate};
use crate::support::house::settings;
use crate::support::program::{run, usher};
use crate::support::tcp_postgres::{PASSWORD, TcpPostgres};
use diesel::QueryableByName;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;
use std::path::Path;
use tokio::process::Command;
use usher::db::Database;

const NAME: &str = "db.usher.test";

struct Scene {
    postgres: TcpPostgres,
    authority: Authority,
}

impl Scene {
    async fn with(certify: impl Fn(&Authority) -> Certificate) -> Self {
        let authority = Authority::new("usher's tests");
        let postgres = TcpPostgres::start(Some(&certify(&authority)), None).await;
        Self {
            postgres,
            authority,
        }
    }

    async fn with_a_right_certificate() -> Self {
        Self::with(|authority| authority.certify(NAME)).await
    }

    /// Parameters by which the authority is believed.
    fn believing(&self, mode: &str) -> String {
        let root = self.authority.publish(self.postgres.folder(), "root.pem");
        format!("sslmode={mode}&sslrootcert={}", root.display())
    }
}

fn migrate(url: &str) -> Command {
    let mut command = usher(&["migrate"]);
    command.env("DATABASE_URL", url);
    command
}

/// This URL is refused in one line with these words, and the password is not among them.
async fn expect_complaint(url: &str, mentions: &[&str]) {
    let answered = run(migrate(url)).await;
    let complaint = answered.complaint();
    for part in mentions {
        assert!(complaint.contains(part), "{complaint}");
    }
    assert!(!complaint.contains(PASSWORD), "{complaint}");
    let mut talkative = migrate(url);
    talkative.args(["--log", "trace"]);
    let errors = run(talkative).await.errors;
    assert!(!errors.contains(PASSWORD), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_certificate_is_believed_and_the_connection_is_encrypted() {
    #[derive(QueryableByName)]
    struct Encrypted {
        #[diesel(sql_type = Bool)]
        ssl: bool,
    }
    let scene = Scene::with_a_right_certificate().await;
    let migrated = run(migrate(&scene.postgres.url(
        NAME,
        &scene.believing("verify-full&channel_binding=require"),
    )))
    .await;
    assert!(migrated.printed().starts_with("migrated: "), "{migrated:?}");
    assert_eq!(migrated.errors, "");
    for mode in ["verify-full", "require", "prefer"] {
        let url = scene.postgres.url(NAME, &scene.believing(mode));
        let database = Database::open(url.into(), settings()).await.unwrap();
        for connection in [
            &mut *database.connection().await.unwrap(),
            &mut database.dedicated_connection().await.unwrap(),
        ] {
            let ssl = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
            let Encrypted { ssl } = diesel::sql_query(ssl).get_result(connection).await.unwrap();
            assert!(ssl, "{mode}");
        }
    }

    // The roots of the system, which a variable may name.
    let root = scene.authority.publish(scene.postgres.folder(), "root.pem");
    for parameters in ["sslmode=verify-full", "sslrootcert=system"] {
        let url = scene.postgres.url(NAME, parameters);
        let mut command = migrate(&url);
        command.env("SSL_CERT_FILE", &root);
        let migrated = run(command).await;
        assert_eq!(migrated.printed(), "the database is up to date");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_host_is_refused() {
    let scene = Scene::with_a_right_certificate().await;
    for mode in ["verify-full", "require", "prefer"] {
        let url = scene
            .postgres
            .url("other.usher.test", &scene.believing(mode));
        let hint = "name the server in the URL as its certificate does";
        let place = "cannot connect to other.usher.test:";
        expect_complaint(&url, &[place, "(DATABASE_URL)", "not valid for name", hint]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_a_stranger_has_signed_is_refused() {
    let scene = Scene::with_a_right_certificate().await;
    let stranger = Authority::new("a stranger").publish(scene.postgres.folder(), "stranger.pem");
    let by_stranger = |mode: &str| format!("sslmode={mode}&sslrootcert={}", stranger.display());
    for parameters in [
        by_stranger("verify-full"),
        by_stranger("require"),
        by_stranger("prefer"),
        // Nor has it been signed by anybody whom the system believes.
        "sslmode=verify-full".to_owned(),
        "sslrootcert=system".to_owned(),
        "sslmode=prefer".to_owned(),
    ] {
        let url = scene.postgres.url(NAME, &parameters);
        expect_complaint(&url, &["UnknownIssuer", "sslrootcert=", "SSL_CERT_FILE"]).await;
    }
    // Whom the URL names counts, and not the system's as well.
    let root = scene.authority.publish(scene.postgres.folder(), "root.pem");
    let mut command = migrate(&scene.postgres.url(NAME, &by_stranger("verify-full")));
    command.env("SSL_CERT_FILE", root);
    let refused = run(command).await;
    assert!(refused.complaint().contains("UnknownIssuer"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_has_expired_is_refused() {
    let scene = Scene::with(|authority| authority.certify_in_the_past(NAME)).await;
    for mode in ["verify-full", "require", "prefer"] {
        let url = scene.postgres.url(NAME, &scene.believing(mode));
        expect_complaint(&url, &["expired", "renew the server's certificate"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_refused_by_who_insists() {
    let postgres = TcpPostgres::start(None, None).await;
    let root = Authority::new("nobody's").publish(postgres.folder(), "root.pem");
    let root = format!("sslrootcert={}", root.display());
    // Who says how the server is to be known insists as well.
    for parameters in [
        "sslmode=verify-full",
        "sslmode=require",
        "sslrootcert=system",
        &root,
    ] {
        let url = postgres.url(NAME, parameters);
        expect_complaint(
            &url,
            &["server does not support TLS", "switch TLS on there"],
        )
        .await;
    }
    let preferred = format!("sslmode=prefer&{root}");
    for parameters in ["sslmode=disable", "sslmode=prefer", &preferred] {
        let migrated = run(migrate(&postgres.url(NAME, parameters))).await;
        migrated.printed();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_used_are_named() {
    let scene = Scene::with_a_right_certificate().await;
    let postgres = &scene.postgres;
    let root = scene.authority.publish(postgres.folder(), "root.pem");
    let (certificate, key) = scene
        .authority
        .certify("usher")
        .publish(postgres.folder(), "usher");
    let (_, other_key) = scene
        .authority
        .certify("usher")
        .publish(postgres.folder(), "other");
    let empty = postgres.file("empty.pem", "");
    let text = postgres.file("text.pem", "hunter2\n");
    let broken = postgres.file(
        "broken.pem",
        "-----BEGIN CERTIFICATE-----\nhunter2!\n-----END CERTIFICATE-----\n",
    );
    let no_certificate = postgres.file(
        "none.pem",
        "-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n",
    );
    let missing = Path::new("/nonexistent/root.pem");
    for (parameters, file, fault) in [
        (
            "sslrootcert={}",
            missing,
            "cannot be read (sslrootcert): No such file",
        ),
        (
            "sslrootcert={}",
            &empty,
            "has no certificate in PEM (sslrootcert)",
        ),
        (
            "sslrootcert={}",
            &text,
            "has no certificate in PEM (sslrootcert)",
        ),
        (
            "sslrootcert={}",
            &broken,
            "has no certificate in PEM (sslrootcert)",
        ),
        (
            "sslrootcert={}",
            &key,
            "has no certificate in PEM (sslrootcert)",
        ),
        (
            "sslrootcert={}",
            &no_certificate,
            "cannot be used (sslrootcert)",
        ),
        (
            "sslkey={}",
            missing,
            "cannot be read (sslkey): No such file",
        ),
        (
            "sslkey={}",
            &root,
            "has no private key without a password in PEM (sslkey)",
        ),
        (
            "sslkey={}",
            &text,
            "has no private key without a password in PEM (sslkey)",
        ),
        ("sslkey={}", &other_key, "cannot be used (sslkey)"),
    ] {
        let mut parameters = parameters.replace("{}", file.to_str().unwrap());
        if parameters.starts_with("sslkey") {
            parameters = format!("{parameters}&sslcert={}", certificate.display());
        }
        let begin = "TLS to the database cannot be had (DATABASE_URL): ";
        let expected = format!("{begin}{} {fault}", file.display());
        // Whatever is asked for: who names a file wants it to count.
        for mode in ["verify-full", "prefer", "disable"] {
            let parameters = format!("sslmode={mode}&{parameters}");
            expect_complaint(&postgres.url(NAME, &parameters), &[&expected]).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said_in_the_words_of_libpq() {
    for (parameters, mentions) in [
        ("sslmode=verify-ca", "as sslmode=verify-full says"),
        ("sslmode=allow", "sslmode=allow is not there"),
        (
            "sslmode=prefer&sslrootcert=system",
            "needs sslmode=verify-full",
        ),
        ("sslcert=/c.pem", "sslcert and sslkey are given together"),
        ("sslmode=hunter2", "invalid value for option `sslmode`"),
        ("sslcrl=hunter2", "unknown option `sslcrl`"),
        ("sslpassword=hunter2", "unknown option `sslpassword`"),
    ] {
        let url = format!("postgres://usher:{PASSWORD}@{NAME}/usher?{parameters}");
        let begin = "DATABASE_URL cannot be read: it must look like";
        expect_complaint(&url, &[begin, mentions]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_hosts_the_one_that_answers_is_checked_by_its_own_name() {
    let scene = Scene::with_a_right_certificate().await;
    let address = scene.postgres.address;
    let root = scene.believing("verify-full");
    let url = |right: &str| {
        format!(
            "postgres://usher:{PASSWORD}@gone.usher.test:1,{right}:54329/postgres\
             ?hostaddr={address},{address}&target_session_attrs=read-write&{root}"
        )
    };
    run(migrate(&url(NAME))).await.printed();
    expect_complaint(&url("other.usher.test"), &["not valid for name"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_a_certificate_gets_one() {
    let authority = Authority::new("usher's tests");
    let server = authority.certify(NAME);
    let postgres = TcpPostgres::start(Some(&server), Some(&authority)).await;
    let root = authority.publish(postgres.folder(), "root.pem");
    let root = format!("sslmode=verify-full&sslrootcert={}", root.display());
    let showing = |name: &str| {
        let certificate = authority.certify(name);
        let (chain, key) = certificate.publish(postgres.folder(), name);
        let (chain, key) = (chain.display(), key.display());
        format!("{root}&sslcert={chain}&sslkey={key}")
    };
    let right = postgres.url(NAME, &showing("usher"));
    run(migrate(&right)).await.printed();
    let wanted = "connection requires a valid client certificate";
    expect_complaint(&postgres.url(NAME, &root), &[wanted]).await;
    let of_another = postgres.url(NAME, &showing("mallory"));
    expect_complaint(&of_another, &["authentication failed"]).await;
}
