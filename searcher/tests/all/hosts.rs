//! Requests for hosts that no setting names are refused, against DNS rebinding.

use reqwest::StatusCode;
use testkit::World;

const PATHS: [&str; 6] =
    ["/", "/docs/", "/v1/openapi.json", "/v1/status", "/v1/search?q=cat", "/v1/ops/health"];

async fn status(world: &World, url: String, host: &str) -> StatusCode {
    world.http().get(url).header("host", host).send().await.unwrap().status()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_known_hosts_are_answered() {
    let mut world = World::start().await;
    let mut ingest = world.run_ingest();
    let operations = ingest.ready().await;
    let mut searcher = world.run(
        "searcher",
        &[
            ("OPERATIONS__URL", operations.as_str()),
            ("HTTP__HOSTS", "searcher,https://pictures.example.org"),
        ],
    );
    let base = searcher.ready().await;
    for path in PATHS {
        for host in ["evil.example", "example.org", "localhost.evil.example:8080"] {
            let refused = status(&world, format!("{base}{path}"), host).await;
            assert_eq!(refused, StatusCode::MISDIRECTED_REQUEST, "{path} for {host}");
        }
        for host in ["127.0.0.1:1", "localhost", "searcher:80", "Pictures.example.org"] {
            let answered = status(&world, format!("{base}{path}"), host).await;
            assert_eq!(answered, StatusCode::OK, "{path} for {host}");
        }
    }
    let refused = world.http().get(format!("{base}/v1/status")).header("host", "evil.example");
    let refused = refused.send().await.unwrap().text().await.unwrap();
    assert!(refused.contains("evil.example") && refused.contains("http.hosts"), "{refused}");

    // Operators' requests to ingest itself; probes, metrics and events come by any name.
    let asked = |path| status(&world, format!("{operations}{path}"), "evil.example");
    assert_eq!(asked("/v1/ops/health").await, StatusCode::MISDIRECTED_REQUEST);
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(asked(path).await, StatusCode::OK, "{path}");
        assert_eq!(status(&world, format!("{base}{path}"), "x").await, StatusCode::OK, "{path}");
    }
    let events = world.http().post(format!("{operations}/events")).header("host", "ingest:8081");
    let events = events.bearer_auth("knock").body("{}").send().await.unwrap();
    assert_ne!(events.status(), StatusCode::MISDIRECTED_REQUEST);
    drop((ingest, searcher));
    world.finish().await;
}
