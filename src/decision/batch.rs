//! Several requests, decided in one go.

use super::asking::{Answer, Manner};
use super::cache::Dated;
use super::decider::{ATTEMPTS, Question};
use super::point::{MAX_BATCH, too_many};
use super::waiting::{Unused, in_time_with, overtaken};
use super::{CacheTimes, Decider, DecisionError, DecisionRequest};

impl Decider {
    /// Decides each request with times of its own, and answers in their order. What is remembered is not asked for; the rest
    /// is asked for in one go.
    pub(super) async fn decide_each(
        &self,
        requests: &[(&DecisionRequest, CacheTimes)],
        unused: &Unused,
    ) -> Result<Vec<Dated>, DecisionError> {
        if requests.len() > MAX_BATCH {
            return Err(too_many(requests.len(), MAX_BATCH));
        }
        requests.iter().try_for_each(|(request, _)| request.check())?;
        let questions: Vec<_> =
            requests.iter().map(|(request, times)| (Question::new(request, *times), *times)).collect();
        let mut answers: Vec<_> = questions.iter().map(|(question, times)| self.remembered(question, *times)).collect();
        let shortest = requests.iter().map(|(_, times)| *times).reduce(CacheTimes::shorter).unwrap_or_default();
        for attempt in 0..ATTEMPTS {
            let open: Vec<usize> =
                answers.iter().enumerate().filter(|(_, answer)| answer.is_none()).map(|(at, _)| at).collect();
            if open.is_empty() {
                break;
            }
            let asked: Vec<DecisionRequest> =
                open.iter().filter_map(|at| requests.get(*at)).map(|(request, _)| (*request).clone()).collect();
            let manner = Manner { is_batch: true, times: shortest, anew: attempt > 0 };
            let Answer { decisions, begun } = self.ask(&asked, manner, unused).await?;
            for (at, decision) in open.into_iter().zip(decisions) {
                if let (Some((question, times)), Some(answer)) = (questions.get(at), answers.get_mut(at)) {
                    *answer =
                        self.settle(question, &decision, *times, begun).then_some(Dated { decision, begun: begun.1 });
                    if answer.is_none() {
                        unused.note();
                    }
                }
            }
        }
        answers.into_iter().map(|answer| answer.ok_or_else(overtaken)).collect()
    }

    /// As [`decide_in_time`](Self::decide_in_time), for several requests, each with times of its own. One of them alone is
    /// asked for as one; one that cannot be asked for at all spoils none of the others.
    pub(crate) async fn decide_all_in_time(
        &self,
        requests: &[(DecisionRequest, Option<CacheTimes>)],
    ) -> Vec<Result<Dated, DecisionError>> {
        if let [(request, times)] = requests {
            return vec![self.decide_in_time(request, *times).await];
        }
        let checked: Vec<_> = requests.iter().map(|(request, _)| request.check()).collect();
        let good: Vec<(&DecisionRequest, CacheTimes)> = requests
            .iter()
            .zip(&checked)
            .filter(|(_, checked)| checked.is_ok())
            .map(|((request, times), _)| (request, times.unwrap_or(self.times())))
            .collect();
        let mut decisions = if good.is_empty() {
            Ok(Vec::new().into_iter())
        } else {
            let unused = Unused::default();
            in_time_with(&unused, Box::pin(self.decide_each(&good, &unused))).await.map(Vec::into_iter)
        };
        let outcome = |checked: Result<(), DecisionError>| {
            checked?;
            match &mut decisions {
                Ok(decisions) => decisions.next().ok_or_else(overtaken),
                Err(error) => Err(error.clone()),
            }
        };
        checked.into_iter().map(outcome).collect()
    }
}
