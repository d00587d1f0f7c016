//! Query pictures of other sites are fetched from allowed addresses only.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use futures::stream;
use serde_json::{Value, json};
use testkit::{World, solid_jpeg};
use tokio::net::TcpListener;

const MAX_BYTES: usize = 100_000;

async fn serve(host: &str, router: Router) -> SocketAddr {
    let listener = TcpListener::bind((host, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

/// A site that must not be asked; it counts the requests.
async fn secret_site() -> (SocketAddr, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let router = Router::new().fallback(async move || {
        counter.fetch_add(1, Ordering::Relaxed);
        solid_jpeg([9, 9, 9], 64)
    });
    (serve("127.0.0.1", router).await, asked)
}

/// A site that may be asked, and redirects to wherever the query string says.
async fn open_site() -> SocketAddr {
    let endless = || {
        Body::from_stream(stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from(vec![0; 8192]))))
    };
    let broken = || {
        let parts = [Ok(Bytes::from_static(b"\xff\xd8\xff")), Err(std::io::Error::other("cut"))];
        Body::from_stream(stream::iter(parts))
    };
    let onwards = async |request: Request| -> Response {
        let to = request.uri().query().unwrap_or_default().to_owned();
        Redirect::temporary(&to).into_response()
    };
    let plain = async |headers: HeaderMap| match headers.contains_key("referer")
        || headers.contains_key("cookie")
    {
        true => StatusCode::BAD_REQUEST.into_response(),
        false => solid_jpeg([200, 10, 10], 64).into_response(),
    };
    let router = Router::new()
        .route("/red.jpg", get(plain))
        .route("/to", get(onwards))
        .route("/loop", get(async || Redirect::temporary("/loop")))
        .route("/text", get(async || "<html>no picture</html>"))
        .route("/large", get(async || vec![0_u8; MAX_BYTES + 1]))
        .route("/endless", get(async move || endless()))
        .route("/broken", get(async move || broken()))
        .route("/late", get(async || std::future::pending::<()>().await));
    serve("127.0.0.2", router).await
}

async fn ask(world: &World, base: &str, url: &str) -> (u16, Value) {
    world.post(&format!("{base}/v1/search"), json!({ "image_url": url })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_of_other_sites_are_fetched_where_that_is_allowed_only() {
    let mut world = World::start().await;
    let (secret, asked) = secret_site().await;
    let open = open_site().await;
    let (secret_port, open) = (secret.port(), format!("http://{open}"));

    let mut closed = world.run("searcher", &[]);
    let base = closed.ready().await;
    let (status, body) = ask(&world, &base, &format!("{open}/red.jpg")).await;
    assert_eq!((status, &body["field"]), (400, &json!("image_url")), "off by default: {body}");
    assert_eq!(world.get(&format!("{base}/v1/status"), &[]).await.1["image_urls"], json!(false));

    let changed = [
        ("IMAGE_URLS__ENABLED", "true"),
        ("IMAGE_URLS__ALLOW", "127.0.0.2/32"),
        ("IMAGE_URLS__TIMEOUT", "2s"),
        ("SEARCH__MAX_IMAGE_BYTES", &MAX_BYTES.to_string()),
    ];
    let mut searcher = world.run("searcher", &changed);
    let base = searcher.ready().await;
    for good in ["/red.jpg", "/to?/red.jpg", &format!("/to?/to?{open}/red.jpg")] {
        let (status, body) = ask(&world, &base, &format!("{open}{good}")).await;
        assert_eq!((status, &body["hits"]), (200, &json!([])), "{good}: {body}");
    }
    let picture = format!("{open}/red.jpg");
    let examples = json!({
        "examples": [{ "image_url": picture }, { "text": "boat", "weight": 0.5 }]
    });
    assert_eq!(world.post(&format!("{base}/v1/search"), examples).await.0, 200);

    let mut refusals = vec![
        format!("{open}/text"),
        format!("{open}/missing"),
        format!("{open}/large"),
        format!("{open}/endless"),
        format!("{open}/broken"),
        format!("{open}/late"),
        format!("{open}/loop"),
        "http://127.0.0.2:1/".to_owned(),
        "http://127.0.0.2:22/".to_owned(),
        open.replace("//", "//name:password@"),
        "ftp://127.0.0.2/red.jpg".to_owned(),
        "file:///etc/passwd".to_owned(),
        "data:image/png;base64,aGVsbG8=".to_owned(),
        "/red.jpg".to_owned(),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
    ];
    let private = [
        "127.0.0.1",
        "localhost",
        "LOCALHOST.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "0.0.0.0",
        "[::]",
    ];
    for host in private {
        let there = format!("http://{host}:{secret_port}/secret.jpg");
        refusals.push(format!("{open}/to?{there}"));
        refusals.push(there);
    }
    for url in refusals {
        let (status, body) = ask(&world, &base, &url).await;
        assert_eq!((status, &body["field"]), (400, &json!("image_url")), "{url}: {body}");
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0, "a site was asked that nobody may ask");
    // The answer does not reveal whether a name exists in a network that must not be asked.
    let (_, unknown) = ask(&world, &base, "http://no-such-host.invalid/").await;
    let (_, hidden) = ask(&world, &base, &format!("http://localhost:{secret_port}/")).await;
    assert_eq!(unknown["detail"], hidden["detail"]);
    drop((closed, searcher));
    world.finish().await;
}
