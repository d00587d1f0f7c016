//! The broker: reachable, of a good version, with our exchanges and queues, and with workers.

use pipeline::inspect::{self, BrokerAnswer, BrokerPart, PartState};
use pipeline::stage_name::StageName;
use pipeline::topology::{Topology, TopologyMode};

use super::report::{DoctorCheck, DoctorReport};
use crate::settings::Settings;

pub(crate) async fn run(settings: &Settings) -> DoctorReport {
    let mut report = DoctorReport::default();
    let stages = settings.stages.all();
    let broker = match inspect::broker(&settings.amqp, &stages, settings.events.queue).await {
        Ok(broker) => broker,
        Err(error) => {
            let advice = "start the broker, or check amqp.url: host, port, user, password, \
                          virtual host (%2f for '/')";
            report.push(DoctorCheck::fail("broker.reachable", error.to_string(), advice));
            return report;
        }
    };
    report.push(DoctorCheck::ok("broker.reachable", "connected and signed in"));
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

fn version(version: Option<&str>) -> DoctorCheck {
    let Some(version) = version else {
        return DoctorCheck::warn(
            "broker.version",
            "the broker does not say its version",
            "use RabbitMQ 3.10 or newer",
        );
    };
    let mut numbers = version.split(['.', '-', '+']).map(|part| part.parse::<u32>().unwrap_or(0));
    let number: [u32; 3] = std::array::from_fn(|_| numbers.next().unwrap_or(0));
    let seen = format!("RabbitMQ {version}");
    match number {
        number if number < [3, 10, 0] => DoctorCheck::fail(
            "broker.version",
            seen,
            "dead letters need RabbitMQ 3.10 or newer: upgrade it",
        ),
        [4, 3, 1..=4] => DoctorCheck::warn(
            "broker.version",
            seen,
            "this version has bugs in dead-lettering and recovery: upgrade to 4.3.5 or newer, or \
             use 4.2.9 or newer of 4.2",
        ),
        _ => DoctorCheck::ok("broker.version", seen),
    }
}

fn parts(settings: &Settings, broker: &BrokerAnswer) -> DoctorCheck {
    let wrong = |wanted: fn(&PartState) -> bool| -> Vec<&BrokerPart> {
        broker.parts.iter().filter(|part| wanted(&part.state)).collect()
    };
    let names = |parts: &[&BrokerPart]| {
        parts
            .iter()
            .map(|part| format!("{} '{}'", part.kind, part.name))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let differing = wrong(|state| matches!(state, PartState::Differs(_)));
    if let Some(BrokerPart { state: PartState::Differs(said), .. }) = differing.first() {
        return DoctorCheck::fail(
            "broker.queues",
            format!("{} differ from what this program declares: {said}", names(&differing)),
            "an older release or someone else made them: let the queues run empty and delete them, \
             or use another amqp.namespace",
        );
    }
    let missing = wrong(|state| *state == PartState::Missing);
    if missing.is_empty() {
        return DoctorCheck::ok(
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
        TopologyMode::Declare => DoctorCheck::warn(
            "broker.queues",
            seen,
            "start ingest or an embedder: they declare what is missing",
        ),
        _ => DoctorCheck::fail(
            "broker.queues",
            seen,
            "declare them, or set amqp.topology = \"declare\" for one process",
        ),
    }
}

/// Ready messages and consumers of a queue without problems.
fn counts(broker: &BrokerAnswer, queue: &str) -> Option<(u32, u32)> {
    broker.parts.iter().find(|part| part.name == queue && part.kind == "queue").and_then(|part| {
        match part.state {
            PartState::Fine { messages, consumers } => Some((messages, consumers)),
            _ => None,
        }
    })
}

fn workers(stage: &StageName, consumers: u32) -> DoctorCheck {
    let name = format!("workers.{stage}");
    match consumers {
        0 => DoctorCheck::warn(
            name,
            format!("no worker of the stage '{stage}' is connected"),
            format!("its jobs wait: start the {}", stage.kind().worker_of(stage.id())),
        ),
        _ => DoctorCheck::ok(name, format!("{consumers} workers are connected")),
    }
}

fn dead_letters(stage: &StageName, dead: u32) -> DoctorCheck {
    let name = format!("dead.{stage}");
    match dead {
        0 => DoctorCheck::ok(name, "no dead letters"),
        _ => DoctorCheck::warn(
            name,
            format!("{dead} dead letters"),
            "see why with `ingest dead groups`, then replay or drop them",
        ),
    }
}

fn suspects(stage: &StageName, suspects: u32) -> DoctorCheck {
    let name = format!("suspect.{stage}");
    match suspects {
        0 => DoctorCheck::ok(name, "no jobs under suspicion"),
        _ => DoctorCheck::warn(
            name,
            format!(
                "{suspects} jobs were held by workers that crashed, and wait to be tried one at a \
                 time"
            ),
            "if the number does not fall, look at why workers crash: their log, memory limit and \
             model",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operate::doctor::report::DoctorVerdict;

    #[test]
    fn versions_with_known_bugs_are_named() {
        for (text, verdict) in [
            ("3.9.29", DoctorVerdict::Fail),
            ("3.10.8", DoctorVerdict::Ok),
            ("3.13.7", DoctorVerdict::Ok),
            ("4.2.9", DoctorVerdict::Ok),
            ("4.3.0", DoctorVerdict::Ok),
            ("4.3.1", DoctorVerdict::Warn),
            ("4.3.4-rc.1", DoctorVerdict::Warn),
            ("4.3.5", DoctorVerdict::Ok),
            ("5.0.0+beta", DoctorVerdict::Ok),
            ("nonsense", DoctorVerdict::Fail),
        ] {
            assert_eq!(version(Some(text)).verdict, verdict, "{text}");
        }
        assert_eq!(version(None).verdict, DoctorVerdict::Warn);
    }
}
