//! The key of searches and the key of operators.

use testkit::World;

/// Status of an operator's request with these headers, and which key is asked for.
async fn ask(world: &World, base: &str, sent: &[(&str, &str)]) -> (u16, Option<String>) {
    let mut request = world.http().get(format!("{base}/v1/ops/health"));
    for (name, value) in sent {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    let challenge = answer.headers().get("www-authenticate");
    let challenge = challenge.map(|value| value.to_str().unwrap().to_owned());
    (answer.status().as_u16(), challenge)
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_need_the_key_of_the_searcher_too_where_it_has_one() {
    let mut world = World::start().await;
    let mut ingest = world.run("ingest", &[("OPS__API_KEY", "theirs")]);
    let operations = ingest.ready().await;
    let url = ("OPERATIONS__URL", operations.as_str());
    let (mut keyed, mut open) =
        (world.run("searcher", &[url, ("ACCESS__API_KEY", "own")]), world.run("searcher", &[url]));
    let (keyed_base, open_base) = (keyed.ready().await, open.ready().await);

    let (own, theirs) = (("authorization", "Bearer own"), ("authorization", "Bearer theirs"));
    let operators = ("operators-key", "theirs");
    let refused_here = (401, Some(String::from("Bearer")));
    let refused_there = (401, Some(String::from("Bearer realm=\"operators\"")));
    for sent in [&[][..], &[theirs], &[operators], &[theirs, operators]] {
        assert_eq!(ask(&world, &keyed_base, sent).await, refused_here, "{sent:?}");
    }
    for sent in [&[own][..], &[own, ("operators-key", "own")]] {
        assert_eq!(ask(&world, &keyed_base, sent).await, refused_there, "{sent:?}");
    }
    assert_eq!(ask(&world, &keyed_base, &[own, operators]).await, (200, None));

    // Without a key of searches everything stays as it was.
    for sent in [&[theirs][..], &[operators], &[own, operators]] {
        assert_eq!(ask(&world, &open_base, sent).await, (200, None), "{sent:?}");
    }
    for sent in [&[][..], &[own]] {
        assert_eq!(ask(&world, &open_base, sent).await, refused_there, "{sent:?}");
    }
    drop((ingest, keyed, open));
    world.finish().await;
}
