//! Where a request comes from, through the proxy that is shipped.

use super::Deployment;
use crate::support::eventually;
use crate::support::program::Server;
use reqwest::Client;
use serde_json::Value;

const CLIENT: [u8; 4] = [127, 0, 0, 9];

/// The client of each request that a process has answered, as its log has it.
fn clients(log: &[String]) -> Vec<String> {
    let lines = log
        .iter()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines
        .filter(|line| line["fields"]["message"] == "answered")
        .map(|line| line["span"]["client"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_client_is_who_the_proxy_has_seen_whatever_it_says_itself() {
    let flags = ["--trusted-proxies", "127.0.0.1", "--log-format", "json"];
    let deployment = Deployment::open(1, &flags).await;
    let client = Client::builder().local_address(Some(CLIENT.into()));
    let client = client.build().unwrap();
    for claimed in [None, Some("198.51.100.1"), Some("127.0.0.1")] {
        let mut request = client.get(format!("{}/", deployment.proxy.url));
        if let Some(claimed) = claimed {
            request = request.header("x-forwarded-for", claimed);
        }
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    let found = eventually("all three are in the logs", async || {
        let logs = deployment.servers.iter().map(Server::log);
        let found: Vec<String> = logs.flat_map(|log| clients(&log)).collect();
        (found.len() == 3).then_some(found)
    })
    .await;
    assert_eq!(found, ["127.0.0.9"; 3]);
}
