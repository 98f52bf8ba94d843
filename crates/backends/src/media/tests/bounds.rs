//! Bounds of time, memory and output, and that nothing outlives its work.

use super::*;

/// How many processes have this text in their command line.
fn processes_naming(text: &str) -> usize {
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .filter(|line| String::from_utf8_lossy(line).contains(text))
        .count()
}

/// Not while it is still `nice`, `prlimit` or `setpriv`: those have not yet asked to die.
fn is_ffmpeg_running(mark: &str) -> bool {
    fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let names = |file: &str, text: &str| {
            let read = fs::read(entry.path().join(file)).unwrap_or_default();
            String::from_utf8_lossy(&read).contains(text)
        };
        names("cmdline", mark) && names("comm", "ffmpeg")
    })
}

/// Looks again and again until it holds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never came true: {what}");
}

/// A run of ffmpeg that does not end by itself; `mark` finds it among the processes.
fn endless<'a>(tools: &'a Tools, folder: &'a Path, mark: &str) -> Task<'a> {
    let words = format!(
        "-hide_banner -nostdin -loglevel error -nostats -progress pipe:1 -stats_period 0.05 -re -f lavfi -i testsrc=s=16x16:r=10 -metadata title={mark} -f null -"
    );
    Task {
        program: &tools.ffmpeg,
        args: words.split_whitespace().map(OsString::from).collect(),
        folder,
        time: Duration::from_mins(1),
        stall: Some(Duration::from_secs(30)),
        stdout_bytes: process::STDOUT_BYTES,
    }
}

/// The same without a report: nothing but being killed ends it, not even that nobody reads its output any more.
fn silent<'a>(tools: &'a Tools, folder: &'a Path, mark: &str) -> Task<'a> {
    let mut task = endless(tools, folder, mark);
    let report = ["-progress", "pipe:1", "-stats_period", "0.05"];
    task.args
        .retain(|word| !report.iter().any(|part| word == part));
    task
}

fn mark() -> String {
    let folder = tempfile::tempdir().unwrap();
    format!(
        "mark-{}",
        folder.path().file_name().unwrap().to_string_lossy()
    )
}

#[tokio::test]
async fn a_missing_ffmpeg_is_the_sites_fault_and_check_says_how_to_mend_it() {
    let mut bench = Bench::new();
    let source = bench.make("film.mp4", &format!("{SMALL} -c:v libx264"));
    bench.tools.check().await.unwrap();
    bench.tools = Tools::new(Some(&bench.path("nowhere")), Limits::default());
    let fault = probe(&bench.tools, &source).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Temporary, "{fault:?}");
    let problems = bench.tools.check().await.unwrap_err();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems.iter().all(|words| words.contains("LYCEUM_FFMPEG")));
}

#[tokio::test]
async fn a_full_disk_is_told_as_such() {
    let bench = Bench::new();
    let source = bench.make("film.mp4", &format!("{SMALL} -c:v libx264"));
    std::os::unix::fs::symlink("/dev/full", bench.out().join("video.mp4")).unwrap();
    let fault = bench.video(&source).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::DiskFull, "{fault:?}");
}

#[tokio::test]
async fn memory_and_output_are_bounded() {
    let mut bench = Bench::new();
    let source = bench.make(
        "film.mp4",
        "-f lavfi -i testsrc2=s=640x480:r=25:d=2 -c:v libx264 -preset ultrafast",
    );
    let found = probe(&bench.tools, &source).await.unwrap();
    bench.tools.limits.output_bytes = 10_000;
    let fault = video(&bench.tools, &source, &found, &bench.out(), |_| {})
        .await
        .unwrap_err();
    assert!(
        fault.words.contains("larger than this site allows"),
        "{fault:?}"
    );
    bench.tools.limits.output_bytes = 1 << 30;
    bench.tools.limits.memory_bytes = 64 << 20;
    let fault = video(&bench.tools, &source, &found, &bench.out(), |_| {})
        .await
        .unwrap_err();
    assert!(fault.words.contains("memory"), "{fault:?}");
}

#[tokio::test]
async fn a_run_over_its_time_or_without_headway_is_ended() {
    let bench = Bench::new();
    let mark = mark();
    let mut task = endless(&bench.tools, Path::new("/"), &mark);
    task.time = Duration::from_millis(300);
    let fault = process::run(&bench.tools.limits, task, &mut |_| true)
        .await
        .unwrap_err();
    assert!(
        fault.words.contains("longer than this site allows"),
        "{fault:?}"
    );

    let mut task = endless(&bench.tools, Path::new("/"), &mark);
    task.stall = Some(Duration::from_millis(300));
    let fault = process::run(&bench.tools.limits, task, &mut |_| false)
        .await
        .unwrap_err();
    assert!(fault.words.contains("halt"), "{fault:?}");
    assert_eq!(fault.kind, FaultKind::Temporary);
    until("both are gone", || processes_naming(&mark) == 0).await;
}

#[tokio::test]
async fn work_that_is_dropped_leaves_no_ffmpeg_behind() {
    let bench = Bench::new();
    let mark = mark();
    let task = silent(&bench.tools, Path::new("/"), &mark);
    let mut ignore = |_: &str| true;
    tokio::select! {
        ended = process::run(&bench.tools.limits, task, &mut ignore) => panic!("{ended:?}"),
        () = until("it runs", || is_ffmpeg_running(&mark)) => {}
    }
    until("it is gone", || processes_naming(&mark) == 0).await;
}

#[tokio::test]
async fn a_script_in_ffmpegs_place_takes_what_it_started_along() {
    use std::os::unix::fs::PermissionsExt;
    let mut bench = Bench::new();
    let mark = mark();
    let script = bench.write("ffmpeg", b"#!/bin/sh\nffmpeg \"$@\" &\nwait\n");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    bench.tools = Tools::new(Some(&script), Limits::default());
    let task = silent(&bench.tools, Path::new("/"), &mark);
    let mut ignore = |_: &str| true;
    tokio::select! {
        ended = process::run(&bench.tools.limits, task, &mut ignore) => panic!("{ended:?}"),
        () = until("it runs", || is_ffmpeg_running(&mark)) => {}
    }
    until("both are gone", || processes_naming(&mark) == 0).await;
}

/// Not a test by itself: the process that the next one kills. It starts ffmpeg and waits for it.
#[tokio::test]
#[ignore = "is run by a_process_killed_outright_takes_its_ffmpeg_along"]
async fn a_process_to_be_killed() {
    let Some(mark) = std::env::var_os("LYCEUM_TEST_MARK") else {
        return;
    };
    let tools = Tools::new(None, Limits::default());
    let task = silent(&tools, Path::new("/"), &mark.to_string_lossy());
    let _ = process::run(&tools.limits, task, &mut |_| true).await;
}

#[tokio::test]
async fn a_process_killed_outright_takes_its_ffmpeg_along() {
    let mark = mark();
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "media::tests::bounds::a_process_to_be_killed",
            "--ignored",
        ])
        .env("LYCEUM_TEST_MARK", &mark)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("ffmpeg runs", || is_ffmpeg_running(&mark)).await;
    parent.kill().unwrap();
    parent.wait().unwrap();
    until("ffmpeg is gone", || processes_naming(&mark) == 0).await;
}

#[test]
fn a_program_outlives_the_thread_that_asked_for_it() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (tell, mut heard) = tokio::sync::mpsc::unbounded_channel::<()>();
    // The thread polls the run until the program has begun, hands the run on, and ends.
    let handle = runtime.handle().clone();
    let work = std::thread::spawn(move || {
        let mut work = Box::pin(async move {
            let tools = Tools::new(None, Limits::default());
            let task = endless(&tools, Path::new("/"), "outlives");
            process::run(&tools.limits, task, &mut |_| tell.send(()).is_ok()).await
        });
        handle.block_on(async {
            tokio::select! {
                ended = &mut work => panic!("{ended:?}"),
                _ = heard.recv() => {}
            }
        });
        (work, heard)
    });
    let (mut work, mut heard) = work.join().unwrap();
    runtime.block_on(async {
        // More lines than could have been on their way when the thread ended.
        for _ in 0..100 {
            tokio::select! {
                ended = &mut work => panic!("it died with its thread: {ended:?}"),
                line = heard.recv() => assert!(line.is_some()),
            }
        }
    });
}
