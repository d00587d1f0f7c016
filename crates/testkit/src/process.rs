//! A running program of the product.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::wait::eventually;

/// A started program; dropping it kills it.
pub struct Process {
    child: Child,
    log: PathBuf,
    name: String,
}

/// Path of a program, built by the same `cargo test --workspace` as this test.
pub(crate) fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of the running test");
    let folder = test.ancestors().nth(2).expect("target folder").to_owned();
    let path = folder.join(name);
    assert!(
        path.exists(),
        "{} is missing: run the tests with `cargo test --workspace`, which builds the programs",
        path.display()
    );
    path
}

impl Process {
    /// Starts `name run` with these variables and optionally a settings file; it logs to a file in
    /// `folder`.
    pub(crate) fn start(
        name: &str,
        label: &str,
        folder: &Path,
        settings: Option<&Path>,
        variables: &[(String, String)],
    ) -> Self {
        let log = folder.join(format!("{label}.log"));
        let file = File::create(&log).expect("log file");
        let child = Command::new(program(name))
            .arg("run")
            .args(
                settings.into_iter().flat_map(|file| [OsStr::new("--settings"), file.as_os_str()]),
            )
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .expect("the program starts");
        Self { child, log, name: label.to_owned() }
    }

    /// The address of its HTTP port, read from its log.
    pub async fn address(&mut self) -> String {
        eventually("the program listens", Duration::from_secs(60), || {
            let exited = self.ended();
            assert!(exited.is_none(), "{} ended with {exited:?}:\n{}", self.name, self.log());
            std::future::ready(self.listening())
        })
        .await
    }

    /// Waits until `/readyz` answers 200, and returns the base URL.
    pub async fn ready(&mut self) -> String {
        let base = format!("http://{}", self.address().await);
        let client = reqwest::Client::new();
        eventually(
            &format!("{} is ready\n{}", self.name, self.log.display()),
            Duration::from_secs(120),
            || {
                let (client, url) = (client.clone(), format!("{base}/readyz"));
                async move {
                    client
                        .get(url)
                        .send()
                        .await
                        .is_ok_and(|answer| answer.status().is_success())
                        .then_some(())
                }
            },
        )
        .await;
        base
    }

    /// Kills it by SIGKILL, so that it can finish nothing.
    pub fn kill(&mut self) {
        self.child.kill().expect("the program is killed");
        self.child.wait().expect("the program is gone");
    }

    /// Sends SIGHUP: it reads its settings again.
    pub fn hang_up(&self) {
        self.signal("-HUP");
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().expect("kill runs").success());
    }

    /// Sends SIGTERM and waits for the end.
    pub async fn stop(&mut self) -> ExitStatus {
        self.signal("-TERM");
        eventually(&format!("{} stops", self.name), Duration::from_secs(60), || {
            std::future::ready(self.child.try_wait().expect("state of the program"))
        })
        .await
    }

    /// Its exit status, `None` while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("state of the program")
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The last HTTP address that it has logged: a reload may change it.
    pub(crate) fn listening(&self) -> Option<String> {
        let text = self.log();
        let line = text.lines().rfind(|line| line.contains("\"listening\""))?;
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(line["address"].as_str()?.to_owned())
    }

    /// Everything it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.len().saturating_sub(6000);
            eprintln!("--- log of {}:\n{}", self.name, &log[log.ceil_char_boundary(tail)..]);
        }
    }
}
