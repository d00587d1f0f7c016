//! A RabbitMQ node for one test, which may kill, pause or fill it; the shared node must stay well.

use std::path::Path;

use tempfile::TempDir;
use tokio::process::Command;

// By default the broker waits three minutes before it moves a retry again whose target was full or
// still starting.
const ADVANCED: &str = "[{rabbit, [{dead_letter_worker_publisher_confirm_timeout, 5000}]}].\n";

/// The node and its folder; dropping it removes both.
pub struct Broker {
    folder: TempDir,
    url: String,
}

impl Broker {
    /// Starts a node. Its folder lies in `.dev/test-brokers`, where `infra/dev/test.sh` stops the
    /// nodes that a killed test left behind.
    pub async fn start() -> Self {
        let home = root().join(".dev/test-brokers");
        std::fs::create_dir_all(&home).expect("a folder for brokers");
        let folder = tempfile::Builder::new()
            .prefix("node-")
            .tempdir_in(home)
            .expect("a folder for the broker");
        std::fs::write(folder.path().join("advanced.config"), ADVANCED)
            .expect("the broker's settings");
        let url = started(&command(folder.path(), &["start"]).await);
        Self { folder, url }
    }

    /// Its AMQP address, which restarts do not change.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stops it in order and starts it again.
    pub async fn restart(&self) {
        let url = started(&command(self.folder.path(), &["restart"]).await);
        assert_eq!(url, self.url, "the broker comes back at the same address");
    }

    /// Kills it by SIGKILL.
    pub async fn kill(&self) {
        command(self.folder.path(), &["kill"]).await;
    }

    /// Starts it again after [`Self::kill`].
    pub async fn start_again(&self) {
        let url = started(&command(self.folder.path(), &["start"]).await);
        assert_eq!(url, self.url, "the broker comes back at the same address");
    }

    /// Pauses it by SIGSTOP: its sockets stay open, but it does not answer.
    pub async fn pause(&self) {
        command(self.folder.path(), &["pause"]).await;
    }

    /// Resumes it by SIGCONT.
    pub async fn resume(&self) {
        command(self.folder.path(), &["resume"]).await;
    }

    /// Runs `rabbitmqctl` with these arguments against the node and returns its output.
    pub async fn control(&self, arguments: &[&str]) -> String {
        let all: Vec<_> = ["control", "--"].iter().chain(arguments).copied().collect();
        command(self.folder.path(), &all).await
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let stopped = std::process::Command::new(script())
            .arg("--dir")
            .arg(self.folder.path())
            .arg("stop")
            .output();
        if !stopped.is_ok_and(|output| output.status.success()) {
            eprintln!("the broker in {} could not be stopped", self.folder.path().display());
        }
    }
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn script() -> std::path::PathBuf {
    root().join("infra/dev/broker.py")
}

async fn command(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(script())
        .arg("--dir")
        .arg(folder)
        .args(arguments)
        .output()
        .await
        .expect("infra/dev/broker.py runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "infra/dev/broker.py {arguments:?}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

fn started(printed: &str) -> String {
    let entry: serde_json::Value =
        serde_json::from_str(printed).expect("infra/dev/broker.py prints JSON");
    entry["amqp_url"].as_str().expect("an address").to_owned()
}
