//! The description of `/v1/ops` names every route that is served, and no other.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::Value;
use testkit::World;

/// Every route, as operators, the page and the commands use them.
const ROUTES: [(&str, &str); 20] = [
    ("get", "/v1/ops/openapi.json"),
    ("get", "/v1/ops/health"),
    ("get", "/v1/ops/progress"),
    ("post", "/v1/ops/stages/{stage}/{action}"),
    ("post", "/v1/ops/sweep"),
    ("post", "/v1/ops/maintain"),
    ("get", "/v1/ops/operations"),
    ("get", "/v1/ops/operations/{id}"),
    ("delete", "/v1/ops/operations/{id}"),
    ("get", "/v1/ops/models"),
    ("post", "/v1/ops/models/activate"),
    ("post", "/v1/ops/models/remove"),
    ("post", "/v1/ops/models/keep"),
    ("post", "/v1/ops/models/overlap"),
    ("get", "/v1/ops/dead"),
    ("get", "/v1/ops/dead/groups"),
    ("post", "/v1/ops/dead/replay"),
    ("post", "/v1/ops/dead/drop"),
    ("get", "/v1/ops/dead/{id}"),
    ("get", "/v1/ops/dead/{id}/link"),
];

/// Methods and paths that a description names.
fn described(description: &Value) -> BTreeSet<(&str, &str)> {
    let paths = description["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            methods.map(move |method| (method.as_str(), path.as_str()))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_lists_every_route_that_is_served() {
    let mut world = World::start().await;
    let mut ingest = world.run("ingest", &[("OPS__API_KEY", "sesame")]);
    let base = ingest.ready().await;
    let ask = |method: Method, path: String| {
        world.http().request(method, format!("{base}{path}")).bearer_auth("sesame").send()
    };
    let (status, _) = world.get(&format!("{base}/v1/ops/openapi.json"), &[]).await;
    assert_eq!(status, 401, "it stands behind the same key as the rest");
    let answer = ask(Method::GET, "/v1/ops/openapi.json".to_owned()).await.unwrap();
    let description: Value = answer.json().await.unwrap();
    assert_eq!(described(&description), BTreeSet::from(ROUTES));

    for (method, path) in ROUTES {
        let path = path
            .replace("{stage}", "embed-demo-clip")
            .replace("{action}", "resume")
            .replace("{id}", "0123456789");
        // An existing route answers 405 to a method it does not have.
        let wrong = ask(Method::PATCH, path.clone()).await.unwrap();
        assert_eq!(wrong.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let status = ask(method.clone(), path).await.unwrap().status();
        assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
    }
    let unknown = ask(Method::GET, "/v1/ops/nothing".to_owned()).await.unwrap();
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    drop(ingest);
    world.finish().await;
}
