//! Health and metrics over HTTP.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// Whether the broker serves, for those who ask over HTTP.
pub struct Health {
    obstacle: Mutex<Box<Obstacle>>,
}

/// Tells why the broker does not serve, if so.
type Obstacle = dyn Fn() -> Option<String> + Send;

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").field("obstacle", &self.obstacle()).finish()
    }
}

impl Health {
    /// Not ready, because it is starting.
    pub fn starting() -> Arc<Health> {
        Arc::new(Health { obstacle: Mutex::new(Box::new(|| Some("starting".to_string()))) })
    }

    /// Requests are served from now on, all of them once `obstacle` finds nothing left that keeps it from that.
    pub fn set_ready_unless(&self, obstacle: impl Fn() -> Option<String> + Send + 'static) {
        *self.obstacle.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(obstacle);
    }

    /// Requests are not served from now on, for the reason given.
    pub fn set_unready(&self, reason: impl Into<String>) {
        let reason = reason.into();
        self.set_ready_unless(move || Some(reason.clone()));
    }

    /// Why requests are not served, if so.
    pub fn obstacle(&self) -> Option<String> {
        (self.obstacle.lock().unwrap_or_else(PoisonError::into_inner))()
    }
}

/// The HTTP server of `ottla.admin.listener`.
#[derive(Debug)]
pub struct AdminServer {
    socket: std::net::TcpListener,
}

impl AdminServer {
    /// Listens at `address`.
    pub fn bind(address: SocketAddr) -> io::Result<AdminServer> {
        let socket = std::net::TcpListener::bind(address)?;
        socket.set_nonblocking(true)?;
        Ok(AdminServer { socket })
    }

    /// The address listened at, with the port that was chosen.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Answers `/healthz` (the process lives), `/readyz` (it serves) and `/metrics` until `stop`.
    pub async fn serve(self, health: Arc<Health>, metrics: Arc<Metrics>, stop: CancellationToken) -> io::Result<()> {
        let socket = tokio::net::TcpListener::from_std(self.socket)?;
        let router = Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(ready).with_state(health))
            .route("/metrics", get(scrape).with_state(metrics));
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            served = async { axum::serve(socket, router).await } => served,
        }
    }
}

async fn ready(State(health): State<Arc<Health>>) -> (StatusCode, String) {
    match health.obstacle() {
        None => (StatusCode::OK, "ready\n".to_string()),
        Some(obstacle) => (StatusCode::SERVICE_UNAVAILABLE, format!("{obstacle}\n")),
    }
}

async fn scrape(State(metrics): State<Arc<Metrics>>) -> Response {
    const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match metrics.encode() {
        Ok(text) => ([(header::CONTENT_TYPE, TEXT)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
