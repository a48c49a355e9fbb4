//! What staff do, for the security log: which mutation, about what, and what became of it.
//!
//! It owns the choice of what of an input is named. It must never name anything but ids, the
//! reference of a booking and the name of a thing: an input can hold tokens. And it must never
//! leave one out because it broke, or was cut off.

use crate::graphql::errors::ApiResult;
use crate::graphql::services::caller;
use crate::model::Caller;
use crate::model::global_id::GlobalId;
use crate::model::reference::BookingReference;
use crate::model::token::HoldToken;
use crate::trail;
use async_graphql::{Context, Name, OutputType, Value};

/// Most characters of what a mutation is about.
const LONGEST: usize = 300;

/// What becomes of a mutation that came to no end: it broke, or was cut off with the server. It
/// may have been done or not.
const UNFINISHED: &str = "unfinished";

/// Runs a mutation. When one of staff or of the box office asked for it, the security log says
/// so: every mutation goes through here.
pub(super) async fn recorded<T: OutputType>(
    context: &Context<'_>,
    work: impl Future<Output = ApiResult<T>>,
) -> ApiResult<T> {
    let mut deed = Deed::of(context);
    let answer = work.await;
    if let Some(deed) = &mut deed {
        deed.outcome = Some(match &answer {
            Ok(result) => result.introspection_type_name().into_owned(),
            Err(error) => error.code().to_owned(),
        });
    }
    answer
}

/// A mutation of somebody who serves others; its line is written when this is dropped.
struct Deed<'a> {
    context: &'a Context<'a>,
    caller: &'a Caller,
    /// Nothing while it runs.
    outcome: Option<String>,
}

impl<'a> Deed<'a> {
    fn of(context: &'a Context<'a>) -> Option<Self> {
        let caller = caller(context);
        let serves = matches!(caller, Caller::BoxOffice { .. } | Caller::Staff { .. });
        // Lazily: one that is dropped is written down.
        serves.then(|| Self {
            context,
            caller,
            outcome: None,
        })
    }
}

impl Drop for Deed<'_> {
    fn drop(&mut self) {
        let action = self.context.field().name();
        let outcome = self.outcome.as_deref().unwrap_or(UNFINISHED);
        trail::acted(self.caller, action, &about(self.context), outcome);
    }
}

/// What the input names, such as `eventId: RXZlbnQ6MQ`.
fn about(context: &Context<'_>) -> String {
    let arguments = context.field().arguments().unwrap_or_default();
    let inputs = arguments.iter().filter_map(|(_, value)| match value {
        Value::Object(input) => Some(input),
        _ => None,
    });
    let named = inputs
        .flatten()
        .filter_map(|(field, value)| named(field, value));
    let text = named.collect::<Vec<_>>().join(", ");
    text.chars().take(LONGEST).collect()
}

fn named(field: &Name, value: &Value) -> Option<String> {
    let Value::String(text) = value else {
        return None;
    };
    match field.as_str() {
        // Of a token only what is no secret.
        "token" | "holdToken" => {
            let token: HoldToken = text.parse().ok()?;
            Some(format!("hold: {} of event {}", token.hold, token.event))
        }
        "name" => Some(format!("name: {text}")),
        // Whatever else somebody has put there is not written down: it may be a token.
        "eventId" | "venueId" | "planId" if text.parse::<GlobalId>().is_ok() => {
            Some(format!("{field}: {text}"))
        }
        "reference" => {
            let reference: BookingReference = text.parse().ok()?;
            Some(format!("reference: {reference}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::{EmptySubscription, Object, Request, Schema};
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};
    use std::task::{Poll, Waker};
    use tracing::Dispatch;
    use tracing::dispatcher::with_default;

    struct Nothing;

    #[Object]
    impl Nothing {
        async fn nothing(&self) -> bool {
            false
        }
    }

    struct Deeds;

    #[Object]
    impl Deeds {
        async fn does(&self, context: &Context<'_>) -> ApiResult<bool> {
            recorded(context, async { Ok(true) }).await
        }

        async fn breaks(&self, context: &Context<'_>) -> ApiResult<bool> {
            recorded(context, async { panic!("as it has to") }).await
        }

        async fn hangs(&self, context: &Context<'_>) -> ApiResult<bool> {
            recorded(context, std::future::pending()).await
        }
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written of a mutation that is polled once and then dropped.
    fn written(mutation: &str, caller: Caller) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = tracing_subscriber::fmt()
            .without_time()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let schema = Schema::build(Nothing, Deeds, EmptySubscription).finish();
        let request = Request::new(mutation).data(caller);
        with_default(&Dispatch::new(log), || {
            // Whatever becomes of it: that is not what is tested.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let mut work = Box::pin(schema.execute(request));
                let mut context = std::task::Context::from_waker(Waker::noop());
                let ended = matches!(work.as_mut().poll(&mut context), Poll::Ready(_));
                assert_eq!(ended, mutation.contains("does"));
            }));
        });
        let text = lines.0.lock().unwrap().clone();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_mutation_of_staff_has_its_line_also_when_it_breaks_or_is_cut_off() {
        let tess = || Caller::Staff {
            subject: "tess".to_owned(),
        };
        for (field, outcome) in [
            ("does", "Boolean"),
            ("breaks", UNFINISHED),
            ("hangs", UNFINISHED),
        ] {
            let mutation = format!("mutation {{ {field} }}");
            let text = written(&mutation, tess());
            assert_eq!(text.lines().count(), 1, "{text}");
            for part in [
                "done by staff",
                "staff:tess",
                &format!("action=\"{field}\""),
                &format!("outcome=\"{outcome}\""),
            ] {
                assert!(text.contains(part), "no {part} in {text}");
            }
            let anna = Caller::Buyer {
                subject: "anna".to_owned(),
            };
            assert_eq!(written(&mutation, anna), "");
        }
    }
}
