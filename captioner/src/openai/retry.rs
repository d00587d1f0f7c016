//! One picture until the endpoint answers, and what each outcome means for the job.

use std::time::Duration;

use bytes::Bytes;
use pipeline::Failure;
use service::backoff::Backoff;

use super::circuit_breaker::{CircuitBreaker, CircuitOpen};
use super::completion::ModelAnswer;
use super::endpoint::Endpoint;
use super::outcome::ExchangeOutcome;

/// Longest pause that an endpoint may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Sends the request until there is an answer, at most `openai.tries` times.
///
/// # Errors
/// The failure of the job: halt, dead letter or retry, as [`super::OpenAi::describe`] says.
pub(super) async fn answer(
    endpoint: &Endpoint,
    breaker: &CircuitBreaker,
    image_id: &str,
    body: Bytes,
) -> Result<ModelAnswer, Failure> {
    let permit = breaker.permit().map_err(|open| breaker_open(endpoint, &open))?;
    let tries = if permit.is_probe() { 1 } else { endpoint.settings.tries };
    let mut backoff = Backoff::default();
    let mut attempt = 1;
    loop {
        let (why, pause) = match endpoint.exchange(body.clone()).await {
            ExchangeOutcome::Answered(answer) => {
                permit.answered();
                return Ok(answer);
            }
            ExchangeOutcome::PictureRefused(told) => {
                permit.answered();
                return Err(Failure::dead_letter("picture_refused", endpoint.reason(&told)));
            }
            ExchangeOutcome::Refused(told) => {
                permit.answered();
                return Err(Failure::halt("provider_refused", endpoint.reason(&told)));
            }
            // Perhaps it is another server: that counts as a failure, and is not tried again at
            // once.
            ExchangeOutcome::Garbled(told) => {
                let reason = endpoint.reason(&format!(
                    "the answer is no chat completion: {told}; check openai.base_url"
                ));
                permit.failed(&told);
                return Err(Failure::retry("malformed_answer", reason));
            }
            ExchangeOutcome::Throttled(told, pause) | ExchangeOutcome::Unavailable(told, pause) => {
                (told, pause)
            }
        };
        if attempt >= tries {
            let failure = endpoint.unavailable(&why);
            permit.failed(&endpoint.without_key(&why));
            return Err(failure);
        }
        attempt += 1;
        let pause = pause.map_or_else(|| backoff.pause(), |asked| asked.min(LONGEST_PAUSE));
        tracing::warn!(
            image.id = image_id,
            reason = endpoint.without_key(&why),
            ?pause,
            attempt,
            "asking the caption endpoint again"
        );
        tokio::time::sleep(pause).await;
    }
}

/// The failure while the circuit breaker is open.
pub(super) fn breaker_open(endpoint: &Endpoint, open: &CircuitOpen) -> Failure {
    let CircuitOpen { failures, last, remaining } = open;
    let seconds = remaining.as_secs_f64().ceil();
    endpoint.unavailable(&format!(
        "failed {failures} times in a row, asks again in {seconds} s; the last time: {last}"
    ))
}
