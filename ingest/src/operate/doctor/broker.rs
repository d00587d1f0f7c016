//! The broker: reachable, of a good version, with our exchanges and queues, and someone who works.

use pipeline::inspect::{self, Broker, Part, PartState};
use pipeline::stage_kind::StageKind;
use pipeline::stage_name::StageName;
use pipeline::topology::{Topology, TopologyMode};

use super::{Check, Report};
use crate::{Settings, control};

pub(crate) async fn run(settings: &Settings) -> Report {
    let mut report = Report::default();
    let stages = control::stages(settings);
    let broker = match inspect::broker(&settings.amqp, &stages, settings.events.queue).await {
        Ok(broker) => broker,
        Err(error) => {
            let advice = "start the broker, or check amqp.url: host, port, user, password, virtual host (%2f for '/')";
            report.push(Check::fail("broker.reachable", error.to_string(), advice));
            return report;
        }
    };
    report.push(Check::ok("broker.reachable", "connected and signed in"));
    report.push(version(broker.version.as_deref()));
    report.push(parts(settings, &broker));
    let topology = Topology::new(&settings.amqp.namespace);
    for stage in &stages {
        if let Some((_, consumers)) = counts(&broker, &topology.work_queue(stage)) {
            report.push(workers(stage, consumers));
        }
        if let Some((dead, _)) = counts(&broker, &topology.dead_queue(stage)) {
            report.push(dead_letters(stage, dead));
        }
        if let Some((suspects, _)) = counts(&broker, &topology.suspect_queue(stage)) {
            report.push(self::suspects(stage, suspects));
        }
    }
    report
}

fn version(version: Option<&str>) -> Check {
    let Some(version) = version else {
        return Check::warn(
            "broker.version",
            "the broker does not say its version",
            "use RabbitMQ 3.10 or newer",
        );
    };
    let mut numbers = version.split(['.', '-', '+']).map(|part| part.parse::<u32>().unwrap_or(0));
    let number: [u32; 3] = std::array::from_fn(|_| numbers.next().unwrap_or(0));
    let seen = format!("RabbitMQ {version}");
    match number {
        number if number < [3, 10, 0] => Check::fail(
            "broker.version",
            seen,
            "dead letters need RabbitMQ 3.10 or newer: upgrade it",
        ),
        [4, 3, 1..=4] => Check::warn(
            "broker.version",
            seen,
            "this version has bugs in dead-lettering and recovery: upgrade to 4.3.5 or newer, or use 4.2.9 or newer of 4.2",
        ),
        _ => Check::ok("broker.version", seen),
    }
}

fn parts(settings: &Settings, broker: &Broker) -> Check {
    let wrong = |wanted: fn(&PartState) -> bool| -> Vec<&Part> {
        broker.parts.iter().filter(|part| wanted(&part.state)).collect()
    };
    let names = |parts: &[&Part]| {
        parts
            .iter()
            .map(|part| format!("{} '{}'", part.kind, part.name))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let differing = wrong(|state| matches!(state, PartState::Differs(_)));
    if let Some(Part { state: PartState::Differs(said), .. }) = differing.first() {
        return Check::fail(
            "broker.queues",
            format!("{} differ from what this program declares: {said}", names(&differing)),
            "an older release or someone else made them: let the queues run empty and delete them, or use another amqp.namespace",
        );
    }
    let missing = wrong(|state| *state == PartState::Missing);
    if missing.is_empty() {
        return Check::ok(
            "broker.queues",
            format!("all {} exchanges and queues are there", broker.parts.len()),
        );
    }
    let seen = if missing.len() == broker.parts.len() {
        format!(
            "none of the {} exchanges and queues below '{}' exists yet",
            missing.len(),
            settings.amqp.namespace
        )
    } else {
        format!("{} of {} are missing: {}", missing.len(), broker.parts.len(), names(&missing))
    };
    match settings.amqp.topology {
        TopologyMode::Declare => Check::warn(
            "broker.queues",
            seen,
            "start ingest or an embedder: they declare what is missing",
        ),
        _ => Check::fail(
            "broker.queues",
            seen,
            "declare them, or set amqp.topology = \"declare\" for one process",
        ),
    }
}

/// Ready messages and consumers of a queue that is as it should be.
fn counts(broker: &Broker, queue: &str) -> Option<(u32, u32)> {
    broker.parts.iter().find(|part| part.name == queue && part.kind == "queue").and_then(|part| {
        match part.state {
            PartState::Fine { messages, consumers } => Some((messages, consumers)),
            _ => None,
        }
    })
}

fn workers(stage: &StageName, consumers: u32) -> Check {
    let name = format!("workers.{stage}");
    match consumers {
        0 => Check::warn(
            name,
            format!("no worker of the stage '{stage}' is connected"),
            match stage.kind() {
                StageKind::Embed => {
                    "start an embedder whose models.serve names the model: jobs wait until one runs"
                }
                StageKind::Caption => {
                    "start a captioner with this captions.id: jobs wait until one runs"
                }
            },
        ),
        _ => Check::ok(name, format!("{consumers} workers are connected")),
    }
}

fn dead_letters(stage: &StageName, dead: u32) -> Check {
    let name = format!("dead.{stage}");
    match dead {
        0 => Check::ok(name, "no dead letters"),
        _ => Check::warn(
            name,
            format!("{dead} dead letters"),
            "see why with `ingest dead groups`, then replay or drop them",
        ),
    }
}

fn suspects(stage: &StageName, suspects: u32) -> Check {
    let name = format!("suspect.{stage}");
    match suspects {
        0 => Check::ok(name, "no jobs under suspicion"),
        _ => Check::warn(
            name,
            format!(
                "{suspects} jobs have been with workers that crashed and wait to be tried one at a time"
            ),
            "if the number does not fall, look at why workers crash: their log, memory limit and model",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Verdict;

    #[test]
    fn versions_with_known_bugs_are_named() {
        for (text, verdict) in [
            ("3.9.29", Verdict::Fail),
            ("3.10.8", Verdict::Ok),
            ("3.13.7", Verdict::Ok),
            ("4.2.9", Verdict::Ok),
            ("4.3.0", Verdict::Ok),
            ("4.3.1", Verdict::Warn),
            ("4.3.4-rc.1", Verdict::Warn),
            ("4.3.5", Verdict::Ok),
            ("5.0.0+beta", Verdict::Ok),
            ("nonsense", Verdict::Fail),
        ] {
            assert_eq!(version(Some(text)).verdict, verdict, "{text}");
        }
        assert_eq!(version(None).verdict, Verdict::Warn);
    }
}
