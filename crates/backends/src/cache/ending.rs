//! Changes that come to their end though whoever asked for them goes away.

use tokio::sync::oneshot;

use super::fault::Fault;

/// Does `work` in a task of its own. When the caller is gone by the time that it is done, it is
/// followed by `abandoned`: the caller does not know what became of what it asked for, and whatever it
/// does next must not come before this.
pub async fn to_the_end<T: Send + 'static, After>(
    work: impl Future<Output = Result<T, Fault>> + Send + 'static,
    abandoned: impl FnOnce(Result<T, Fault>) -> After + Send + 'static,
) -> Result<T, Fault>
where
    After: Future<Output = ()> + Send,
{
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move {
        if let Err(outcome) = tell.send(work.await) {
            abandoned(outcome).await;
        }
    });
    let broken = |_| Fault::Unavailable("the call broke off".to_owned());
    told.await.map_err(broken)?
}
