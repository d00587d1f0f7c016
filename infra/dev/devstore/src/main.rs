//! `devstore`: the development S3 server as a process of its own.

use std::{fs, net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::Context;
use clap::Parser;
use devstore::Options;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// An S3 server for development: one process, one folder, no account.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Folder that holds the objects.
    #[arg(long)]
    root: PathBuf,
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Bucket to create when it is missing; may be given several times.
    #[arg(long = "bucket")]
    buckets: Vec<String>,
    /// File to write the endpoint to once the server answers.
    #[arg(long)]
    ready_file: Option<PathBuf>,
    /// The only access key.
    #[arg(long, env = "DEVSTORE_ACCESS_KEY")]
    access_key: String,
    /// The secret of that key.
    #[arg(long, env = "DEVSTORE_SECRET_KEY", hide_env_values = true)]
    secret_key: String,
    /// Milliseconds that every request waits, as if the store were far away.
    #[arg(long, env = "DEVSTORE_DELAY_MS", default_value_t = 0)]
    delay_ms: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,devstore=info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let arguments = Arguments::parse();
    let mut terminate = signal(SignalKind::terminate())?;
    let server = devstore::start(Options {
        root: arguments.root,
        listen: arguments.listen,
        access_key: arguments.access_key,
        secret_key: arguments.secret_key,
        buckets: arguments.buckets,
        delay: Duration::from_millis(arguments.delay_ms),
    })
    .await?;
    tracing::info!(endpoint = server.endpoint(), "serving");
    if let Some(path) = arguments.ready_file {
        // Written to a draft and renamed, so that no reader sees half an address.
        let draft = path.with_extension("draft");
        fs::write(&draft, server.endpoint())
            .and_then(|()| fs::rename(&draft, &path))
            .with_context(|| format!("the ready file {} cannot be written", path.display()))?;
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    server.stop().await;
    tracing::info!("stopped");
    Ok(())
}
