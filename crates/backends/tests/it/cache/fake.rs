//! A server that is told what to answer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What a [`Fake`] does with whoever asks it something.
#[derive(Clone, Debug)]
pub enum Manner {
    /// Says nothing.
    Silent,
    /// Answers each question with these bytes.
    Says(Vec<u8>),
    /// Answers the first question with these bytes and hangs up.
    SaysAndLeaves(Vec<u8>),
}

/// A server that is told what to answer, and counts what it is asked.
pub struct Fake {
    pub address: String,
    pub manner: Arc<Mutex<Manner>>,
    pub questions: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Fake {
    pub async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let manner = Arc::new(Mutex::new(manner));
        let questions = Arc::new(AtomicUsize::new(0));
        let (told, count) = (Arc::clone(&manner), Arc::clone(&questions));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, Arc::clone(&told), Arc::clone(&count)));
            }
        });
        Self {
            address,
            manner,
            questions,
            task,
        }
    }

    pub fn asked(&self) -> usize {
        self.questions.load(Ordering::SeqCst)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn converse(mut stream: TcpStream, told: Arc<Mutex<Manner>>, count: Arc<AtomicUsize>) {
    let mut question = vec![0; 65_536];
    while let Ok(1..) = stream.read(&mut question).await {
        count.fetch_add(1, Ordering::SeqCst);
        let manner = told.lock().unwrap().clone();
        let answered = match &manner {
            Manner::Silent => continue,
            Manner::Says(bytes) | Manner::SaysAndLeaves(bytes) => stream.write_all(bytes).await,
        };
        if answered.is_err() || matches!(manner, Manner::SaysAndLeaves(_)) {
            return;
        }
    }
}
