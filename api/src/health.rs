//! Liveness, readiness and metrics.

use std::{future::ready, sync::Arc, time::Duration};

use http::Method;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::{
    reply::{self, Response},
    routes::{Route, Table},
    trace::{REQUEST_DURATION, REQUESTS_TOTAL},
};

/// Is the process alive?
pub const LIVEZ: &str = "/livez";
/// Should it get requests?
pub const READYZ: &str = "/readyz";
/// Its metrics, in the text format of Prometheus.
pub const METRICS: &str = "/metrics";

/// From half a millisecond to ten seconds.
const DURATION_BUCKETS: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Knows whether the service can do its work.
pub trait Readiness {
    /// `Err` says, in words for the operator that everyone may read, what is missing.
    fn ready(&self) -> Result<(), String>;
}

impl<T: Readiness + ?Sized> Readiness for Arc<T> {
    fn ready(&self) -> Result<(), String> {
        (**self).ready()
    }
}

/// The metrics of this process.
#[derive(Clone, Debug)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Collects the metrics of the whole process from now on. Once per process.
    pub fn install() -> Result<Self, BuildError> {
        let handle = builder()?.install_recorder()?;
        metrics::describe_counter!(REQUESTS_TOTAL, "HTTP requests that were answered");
        metrics::describe_histogram!(REQUEST_DURATION, metrics::Unit::Seconds, "How long HTTP requests took");
        Ok(Self(handle))
    }

    /// Collects nothing: for a process, or a test, that has no metrics of its own.
    pub fn detached() -> Self {
        Self(PrometheusBuilder::new().build_recorder().handle())
    }

    /// Moves samples from their buffers into the histograms, again and again. To be spawned: without it the buffers
    /// grow until someone asks for the metrics.
    pub async fn upkeep(self, every: Duration) {
        let mut ticks = tokio::time::interval(every);
        loop {
            ticks.tick().await;
            self.0.run_upkeep();
        }
    }

    /// The metrics as text.
    pub fn render(&self) -> String {
        self.0.render()
    }
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new().set_buckets_for_metric(Matcher::Full(REQUEST_DURATION.to_owned()), &DURATION_BUCKETS)
}

/// Adds `/livez`, `/readyz` and `/metrics`.
pub fn routes<A: Readiness + Clone + Send + Sync + 'static>(table: Table<A>, metrics: Metrics) -> Table<A> {
    table
        .with(Route::new(Method::GET, LIVEZ, |_, _| ready(livez())).unlimited())
        .with(Route::new(Method::GET, READYZ, |app: A, _| ready(readyz(&app))).unlimited())
        .with(Route::new(Method::GET, METRICS, move |_, _| ready(render(&metrics))).unlimited())
}

/// Tell whether the process is alive.
#[utoipa::path(get, path = LIVEZ, tag = "operations", operation_id = "livez", security(()),
    responses((status = 200, description = "The process is alive.", content_type = "text/plain", body = String)))]
fn livez() -> Response {
    reply::content("text/plain; charset=utf-8", "alive\n")
}

/// Tell whether the process should get requests.
#[utoipa::path(get, path = READYZ, tag = "operations", operation_id = "readyz", security(()),
    responses((status = 200, description = "The service can do its work.", content_type = "text/plain", body = String),
        (status = 503, description = "It can't, for the reason given.", content_type = "text/plain", body = String)))]
fn readyz(app: &impl Readiness) -> Response {
    match app.ready() {
        Ok(()) => reply::content("text/plain; charset=utf-8", "ready\n"),
        Err(reason) => reply::not_ready(&reason),
    }
}

/// Read the metrics of the process.
#[utoipa::path(get, path = METRICS, tag = "operations", operation_id = "metrics", security(()),
    responses((status = 200, description = "The metrics, in the text format of Prometheus.", content_type = "text/plain", body = String)))]
fn render(metrics: &Metrics) -> Response {
    reply::content("text/plain; version=0.0.4; charset=utf-8", metrics.render())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::site::SiteOptions;

    struct Catching(bool);

    impl Readiness for Catching {
        fn ready(&self) -> Result<(), String> {
            if self.0 { Ok(()) } else { Err("the projections are 7 events behind".to_owned()) }
        }
    }

    async fn get(ready: bool, path: &str) -> (u16, String) {
        let site = routes(Table::new(), Metrics::detached()).into_site(Arc::new(Catching(ready)), SiteOptions::default());
        let response = site.handle(http::Request::get(path).body(Bytes::new()).unwrap()).await;
        (response.status().as_u16(), String::from_utf8_lossy(response.body()).into_owned())
    }

    #[tokio::test]
    async fn a_process_can_be_alive_and_not_ready() {
        assert_eq!(get(false, LIVEZ).await.0, 200);
        assert_eq!(get(false, READYZ).await, (503, "the projections are 7 events behind".to_owned()));
        assert_eq!(get(true, READYZ).await.0, 200);
    }

    #[tokio::test]
    async fn requests_are_counted_by_template() {
        let recorder = builder().unwrap().build_recorder();
        let metrics = Metrics(recorder.handle());
        let _guard = metrics::set_default_local_recorder(&recorder);
        get(true, "/v1/secret").await;
        get(true, LIVEZ).await;
        let text = metrics.render();
        assert!(text.contains("grantlog_http_requests_total{route=\"/livez\",method=\"GET\",status=\"200\"} 1"), "{text}");
        assert!(text.contains("route=\"unmatched\",method=\"GET\",status=\"404\"} 1"), "{text}");
        assert!(text.contains("grantlog_http_request_duration_seconds_bucket{route=\"/livez\",method=\"GET\",le=\"0.0005\"}"), "{text}");
        assert!(!text.contains("secret"));
    }
}
