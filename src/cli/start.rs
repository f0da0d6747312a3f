//! `ottla start`: a node, from its configuration to its end.

use std::path::PathBuf;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::process::{Runtimes, Signals, raise_descriptor_limit, refuse_huge_pages};
use crate::broker::{Broker, BrokerError, Setup};
use crate::config::{self, ConfigError, Container, LoadedConfig, LogFormat, Origin};
use crate::logging::{LogForm, LogLevel, LogLevels};

/// Start a node. Without a file it listens on 127.0.0.1:9092 and keeps its data in ./data.
#[derive(Debug, Default, Args)]
pub(super) struct Start {
    /// A server.properties, as for Kafka
    file: Option<PathBuf>,
    /// Take settings from the environment as well, as Kafka's container image does: KAFKA_NODE_ID is node.id, CLUSTER_ID
    /// is the cluster that empty directories are formatted for
    #[arg(long)]
    env: bool,
    /// A setting that overrides the file's; may be repeated
    #[arg(long = "override", value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub(super) overrides: Vec<(String, String)>,
    /// How much is logged, INFO by default: TRACE, DEBUG, INFO, WARN, ERROR or FATAL
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<LogLevel>,
}

/// Why a node did not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error("{0}")]
    Config(#[from] ConfigError),
    #[error("the operating system refuses what a server needs: {0}")]
    Process(#[from] std::io::Error),
    #[error("{0}")]
    Broker(#[from] BrokerError),
}

impl Start {
    /// Runs the node until it is told to stop.
    pub(super) fn run(self) -> Result<(), StartError> {
        refuse_huge_pages();
        let environment = |name: &str| std::env::var(name).ok();
        let container = self.env.then(|| Container::read(variables())).transpose()?;
        let file = self.file.as_deref();
        let loaded = match &container {
            Some(container) => config::load_container(file, container, &self.overrides, &environment)?,
            None => config::load(file, &self.overrides, &environment)?,
        };
        let level = self.log_level.or(container.as_ref().and_then(|container| container.log_level));
        let logs = LogLevels::install(form(loaded.broker.config.ottla_log_format), level.unwrap_or(LogLevel::Info));
        report(&loaded, raise_descriptor_limit());
        let Runtimes { data, control } = Runtimes::start()?;
        let setup = Setup {
            config: loaded.broker,
            cluster_id: container.map(|container| container.cluster_id),
            logs,
            data: data.handle().clone(),
            control: control.handle().clone(),
        };
        let result = data.block_on(live(setup));
        // What is still running on a thread of its own has nothing left to save.
        data.shutdown_background();
        control.shutdown_background();
        result
    }
}

/// The environment; what is not text is no setting.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// From the start of the broker to its end, by a signal or by itself.
async fn live(setup: Setup) -> Result<(), StartError> {
    let stop = CancellationToken::new();
    let signals = setup.control.spawn(Signals::catch()?.obey(stop.clone()));
    let started = tokio::select! {
        started = Broker::start(setup) => started?,
        () = stop.cancelled() => return Ok(()),
    };
    let result = tokio::select! {
        () = stop.cancelled() => Ok(()),
        error = started.failed() => Err(error.into()),
    };
    started.stop().await;
    signals.abort();
    tracing::info!("stopped");
    result
}

fn report(loaded: &LoadedConfig, descriptors: Option<u64>) {
    tracing::info!("ottla {} starts", env!("CARGO_PKG_VERSION"));
    let mut report = loaded.report.clone();
    // What nobody has set needs no excuse.
    report.without_effect.retain(|(key, _)| loaded.broker.origin(key) != Some(&Origin::BuiltIn));
    for line in report.lines() {
        tracing::warn!("{line}");
    }
    if let Some(limit) = descriptors.filter(|limit| *limit < DESCRIPTORS_ENOUGH) {
        tracing::warn!(
            "only {limit} files may be open at once; raise the limit (ulimit -n) above {DESCRIPTORS_ENOUGH}"
        );
    }
}

/// Below this, a busy node may run out of file descriptors.
const DESCRIPTORS_ENOUGH: u64 = 20_000;

fn form(format: LogFormat) -> LogForm {
    match format {
        LogFormat::Json => LogForm::Json,
        LogFormat::Human => LogForm::Human,
    }
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_string(), value.trim().to_string())),
        _ => Err("KEY=VALUE is expected".to_string()),
    }
}
