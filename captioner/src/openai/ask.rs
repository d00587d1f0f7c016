//! Asking: one picture until there is an answer, and what each kind of answer means for it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use pipeline::Failure;
use secrecy::ExposeSecret;
use service::backoff::Backoff;

use super::breaker::Refusal;
use super::completion::Written;
use super::exchange::{self, Outcome};
use super::reader::{self, Unread};
use super::refusal::shortened;
use super::{Described, OpenAi};

/// Longest pause that an endpoint may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Shorter keys are placeholders for servers that want any; to take them out of a text would garble
/// it.
const SHORTEST_SECRET: usize = 8;

impl OpenAi {
    /// Asks until there is an answer, at most as often as the settings say.
    pub(super) async fn ask(&self, image_id: &str, body: Bytes) -> Result<Described, Failure> {
        let pass = self.breaker.pass().map_err(|refusal| self.left_alone(&refusal))?;
        let tries = if pass.is_probe() { 1 } else { self.settings.tries };
        let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(15));
        let mut attempt = 1;
        loop {
            let (why, pause) = match self.exchange(body.clone()).await {
                Outcome::Answered(written) => {
                    pass.answered();
                    return self.described(&written);
                }
                Outcome::PictureRefused(told) => {
                    pass.answered();
                    return Err(Failure::dead_letter("picture_refused", self.sentence(&told)));
                }
                Outcome::Refused(told) => {
                    pass.answered();
                    return Err(Failure::halt("provider_refused", self.sentence(&told)));
                }
                // Perhaps no such endpoint at all: that counts against it, and is not repeated at
                // once.
                Outcome::Garbled(told) => {
                    let reason = self.sentence(&format!(
                        "the answer is no chat completion: {told}; check openai.base_url"
                    ));
                    pass.failed(&told);
                    return Err(Failure::retry("malformed_answer", reason));
                }
                Outcome::Throttled(told, pause) | Outcome::Unavailable(told, pause) => {
                    (told, pause)
                }
            };
            if attempt >= tries {
                let failure = self.unavailable(&why);
                pass.failed(&self.scrubbed(&why));
                return Err(failure);
            }
            attempt += 1;
            let pause = pause.map_or_else(|| backoff.pause(), |asked| asked.min(LONGEST_PAUSE));
            tracing::warn!(
                image.id = image_id,
                reason = self.scrubbed(&why),
                ?pause,
                attempt,
                "asking the caption endpoint again"
            );
            tokio::time::sleep(pause).await;
        }
    }

    /// One request, in its turn.
    async fn exchange(&self, body: Bytes) -> Outcome {
        self.pace.turn().await;
        let begun = Instant::now();
        let outcome = exchange::ask(
            &self.client,
            &self.url,
            self.headers.clone(),
            body,
            self.settings.max_answer_bytes,
        )
        .await;
        metrics::histogram!("bucketlens_provider_seconds").record(begun.elapsed().as_secs_f64());
        metrics::counter!("bucketlens_provider_requests_total", "outcome" => outcome.name())
            .increment(1);
        outcome
    }

    fn described(&self, Written { text, refused, cut }: &Written) -> Result<Described, Failure> {
        let read =
            if *refused { Err(Unread::Refused) } else { reader::read(text, &self.languages) };
        let whole = !cut || text.trim_end().trim_end_matches('`').trim_end().ends_with('}');
        let unread = match read {
            Ok(described) if whole => return Ok(described),
            Ok(_) => Unread::Malformed(String::from("it is cut")),
            Err(unread) => unread,
        };
        let said = shortened(text);
        Err(match unread {
            Unread::Refused => Failure::dead_letter(
                "refused",
                self.sentence(&format!("it does not describe this picture: {said}")),
            ),
            _ if *cut => Failure::retry(
                "cut_answer",
                self.sentence(
                    "the answer is cut; raise openai.max_tokens, or take a model that thinks less",
                ),
            ),
            Unread::Empty => {
                Failure::retry("empty_caption", self.sentence("it says nothing about the picture"))
            }
            Unread::Malformed(why) => {
                Failure::retry("malformed_answer", self.sentence(&format!("{why}: {said}")))
            }
        })
    }

    pub(super) fn unavailable(&self, why: &str) -> Failure {
        Failure::halt("provider_unavailable", self.sentence(why))
    }

    pub(super) fn left_alone(&self, Refusal { failures, last, remaining }: &Refusal) -> Failure {
        let again = remaining.as_secs_f64().ceil();
        self.unavailable(&format!(
            "failed {failures} times in a row, asks again in {again} s; the last time: {last}"
        ))
    }

    /// A reason that names whom it is about.
    fn sentence(&self, told: &str) -> String {
        format!(
            "model `{}` at {}: {}",
            self.settings.model,
            self.settings.base_url,
            self.scrubbed(told)
        )
    }

    /// Without the key, which some endpoints repeat.
    fn scrubbed(&self, text: &str) -> String {
        match &self.key {
            Some(key) if key.expose_secret().len() >= SHORTEST_SECRET => {
                text.replace(key.expose_secret(), "…")
            }
            _ => text.to_owned(),
        }
    }
}
