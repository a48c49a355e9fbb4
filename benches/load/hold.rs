//! holdSeats, confirmHold or releaseHold of one distinct seat a call, beside pgbench with the
//! same effect.

use crate::beside::{self, Times};
use crate::contender::Contender;
use crate::effect::Effect;
use crate::page::Output;
use crate::prepared::Tokens;
use crate::server::Server;
use crate::statements::Transaction;
use crate::supply::Supply;
use crate::{Outcome, sound};

pub async fn run(effect: Effect, times: Times, output: &Output) -> Outcome<()> {
    let server = Server::start(&[]).await?;
    println!("memory at rest: {:.1} MiB", server.memory()?);
    let contenders = [
        Contender::Usher(effect),
        Contender::Pgbench(effect, Transaction::OneStatement),
        Contender::Pgbench(effect, Transaction::SeveralStatements),
    ];
    let tokens = Tokens::new();
    let slices = times.rounds() * contenders.len();
    let mut supply = Supply::fresh(&server, effect, &tokens, slices, &times).await?;
    let rows = beside::run(&server, &contenders, &mut supply, &tokens, &times).await?;
    sound::check(&server).await?;
    println!("memory after it: {:.1} MiB\n", server.memory()?);
    times.report(effect.mutation(), rows, output)?;
    server.stop().await
}
