//! Several calls at once; the first error ends them all.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

/// Two that answer differently.
pub(super) async fn try_both<A, B, E>(
    first: impl Future<Output = Result<A, E>>,
    second: impl Future<Output = Result<B, E>>,
) -> Result<(A, B), E> {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let (mut a, mut b) = (None, None);
    poll_fn(move |context| {
        if a.is_none()
            && let Poll::Ready(outcome) = first.as_mut().poll(context)
        {
            match outcome {
                Ok(answer) => a = Some(answer),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        if b.is_none()
            && let Poll::Ready(outcome) = second.as_mut().poll(context)
        {
            match outcome {
                Ok(answer) => b = Some(answer),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        match (a.take(), b.take()) {
            (Some(first), Some(second)) => Poll::Ready(Ok((first, second))),
            (first, second) => {
                (a, b) = (first, second);
                Poll::Pending
            }
        }
    })
    .await
}

/// Any number of the same kind; the answers are in no order.
pub(super) async fn try_all<T, E, F: Future<Output = Result<T, E>>>(
    futures: impl Iterator<Item = F>,
) -> Result<Vec<T>, E> {
    let mut pending: Vec<Pin<Box<F>>> = futures.map(Box::pin).collect();
    let mut answers = Vec::with_capacity(pending.len());
    poll_fn(move |context| {
        let mut failed = None;
        pending.retain_mut(|future| match future.as_mut().poll(context) {
            Poll::Pending => true,
            Poll::Ready(Ok(answer)) => {
                answers.push(answer);
                false
            }
            Poll::Ready(Err(error)) => {
                failed = Some(error);
                false
            }
        });
        match failed {
            Some(error) => Poll::Ready(Err(error)),
            None if pending.is_empty() => Poll::Ready(Ok(std::mem::take(&mut answers))),
            None => Poll::Pending,
        }
    })
    .await
}
