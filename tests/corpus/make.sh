#!/usr/bin/env bash
# Makes the corpus: small recordings and pictures as people send them, and as nobody should. Needs ffmpeg alone.
#
#   tests/corpus/make.sh [FOLDER]
#
# Without a folder they are kept in the user's cache, by the text of this script, and made once. The last line of the
# output is the folder. What becomes of each file stands in corpus.tsv.
#
# Hostile files point at $LYCEUM_CORPUS_TARGET (http://127.0.0.1:9/ by default) and at secret.wav beside them.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
exec </dev/null

folder=${1:-}
if [[ -z $folder ]]; then
  cache=${XDG_CACHE_HOME:-$HOME/.cache}/lyceum
  mkdir -p "$cache"
  folder=$cache/corpus-$(sha256sum "$here/make.sh" | cut -c1-16)
  # Two at once: the later one waits and finds it made.
  exec 9>"$folder.lock"
  flock 9
  if [[ -d $folder ]]; then
    echo "$folder"
    exit
  fi
  rm -rf "$cache"/corpus-*/ "$folder.new"
  "$here/make.sh" "$folder.new" >&2
  mv "$folder.new" "$folder"
  echo "$folder"
  exit
fi
mkdir -p "$folder"
cd "$folder"
folder=$PWD

# make NAME ARGUMENTS...: by ffmpeg.
make() {
  local name=$1
  shift
  ffmpeg -hide_banner -nostdin -loglevel error -y "$@" "$name"
}
# The first half of a file.
halve() {
  head -c $(($(stat -c %s "$1") / 2)) "$1"
}
card() { echo "testsrc2=size=$1:rate=$2:duration=$3"; }
film=(-c:v libx264 -preset veryfast -pix_fmt yuv420p)
tone() { echo "sine=frequency=440:duration=$1"; }
small=(-f lavfi -i "$(card 320x180 25 1)")
sound=(-f lavfi -i "$(tone 1)")

# --- Films as cameras, phones and programs write them ----------------------------------------------------

make plain.mp4 "${small[@]}" "${sound[@]}" "${film[@]}" -c:a aac
make two-seconds.mp4 -f lavfi -i "$(card 320x180 30 2)" -f lavfi -i "$(tone 2)" "${film[@]}" -c:a aac
make phone-upright.mp4 -i two-seconds.mp4 -c copy -metadata:s:v rotate=90
make phone-upside-down.mp4 -i plain.mp4 -c copy -metadata:s:v rotate=180
make full-hd.mp4 -f lavfi -i "$(card 1920x1080 30000/1001 5)" -f lavfi -i "$(tone 5)" "${film[@]}" -preset ultrafast -c:a aac
make between-rungs.mp4 -f lavfi -i "$(card 1600x900 10 1)" "${sound[@]}" "${film[@]}" -preset ultrafast -c:a aac
make variable-rate.mkv -f lavfi -i "$(card 320x240 30 2)" -f lavfi -i "$(tone 2)" \
  -vf "select='not(mod(n,7))+lt(mod(n,11),3)'" -fps_mode vfr "${film[@]}" -c:a libmp3lame
make ten-bit.mkv "${small[@]}" -c:v libx264 -preset veryfast -pix_fmt yuv422p10le
make high-dynamic-range.mp4 "${small[@]}" -c:v libx265 -preset ultrafast -x265-params log-level=none -pix_fmt yuv420p10le \
  -color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc
make odd-size.mkv -f lavfi -i "$(card 321x241 25 1)" -c:v libx264 -preset veryfast -pix_fmt yuv444p
make wide-pixels.mpg -f lavfi -i "$(card 720x576 25 1)" -vf setsar=64/45 -c:v mpeg2video -b:v 3M
make interlaced.mpg -f lavfi -i "$(card 352x288 50 1)" "${sound[@]}" -vf interlace -c:v mpeg2video -flags +ildct+ilme -b:v 1M -c:a mp2
make no-audio.mp4 "${small[@]}" "${film[@]}"
make empty-audio.mkv "${small[@]}" -f lavfi -i "$(tone 1)" -af atrim=end_sample=1 "${film[@]}" -c:a pcm_s16le
make several-tracks.mkv -f lavfi -i "$(tone 1)" -f lavfi -i anullsrc -f lavfi -i "$(card 320x180 25 1)" \
  -f lavfi -i "$(card 64x48 25 1)" -map 0 -map 1 -map 2 -map 3 -t 1 "${film[@]}" -c:a aac
forty=()
for _ in $(seq 40); do forty+=(-map 1); done
make forty-tracks.mkv "${small[@]}" "${sound[@]}" -map 0 "${forty[@]}" "${film[@]}" -c:a pcm_s16le
make late-sound.mkv -f lavfi -i "$(card 320x180 25 3)" -itsoffset 1 -f lavfi -i "$(tone 2)" "${film[@]}" -c:a aac
make one-frame.mp4 "${small[@]}" -frames:v 1 "${film[@]}"
make quarter-second.webm -f lavfi -i "$(card 320x180 24 0.25)" -f lavfi -i "$(tone 0.25)" -c:v libvpx -deadline realtime -c:a libopus
ffmpeg -nostdin -v error "${small[@]}" "${sound[@]}" -c:v libvpx -deadline realtime -c:a libopus -f webm -live 1 - >no-length.webm
marks() {
  echo ';FFMETADATA1'
  local at=0 name
  for name in "$@"; do
    printf '[CHAPTER]\nTIMEBASE=1/1\nSTART=%d\nEND=%d\ntitle=%s\n' $at $((at + 2)) "$name"
    at=$((at + 2))
  done
}
marks 'Tuning <loud> & soft' 'The bow' >marks.txt
make chapters.mkv -f lavfi -i "$(card 320x180 25 4)" -f lavfi -i "$(tone 4)" -i marks.txt -map 0 -map 1 -map_metadata 2 "${film[@]}" -c:a aac
make old.avi "${small[@]}" "${sound[@]}" -c:v mpeg4 -c:a libmp3lame
cp plain.mp4 wrong-ending.txt

# --- Sound -----------------------------------------------------------------------------------------------

make tone.wav "${sound[@]}"
make phone-call.wav "${sound[@]}" -ar 8000 -c:a pcm_mulaw
make silence.flac -f lavfi -i anullsrc=duration=1
make blink.ogg -f lavfi -i "$(tone 0.05)" -c:a libvorbis
make surround.flac "${sound[@]}" -ac 6
make cover.png -f lavfi -i testsrc=size=300x300 -frames:v 1
make cover.mp3 "${sound[@]}" -i cover.png -map 0 -map 1 -c:v copy -c:a libmp3lame -disposition:v:0 attached_pic -id3v2_version 3
make book.m4b -f lavfi -i "$(tone 4)" -i marks.txt -map 0 -map_metadata 1 -c:a aac -f ipod
cp plain.mp4 sound-of-a-film.mp4
make long.flac -f lavfi -i "sine=frequency=300:sample_rate=8000:duration=1230"

# --- Pictures --------------------------------------------------------------------------------------------

make photograph.jpg -f lavfi -i testsrc2=size=1200x900 -frames:v 1
make moving.gif -f lavfi -i "$(card 64x48 5 1)"

# --- Damaged, cut off, not what they say -----------------------------------------------------------------

halve plain.mp4 >cut-off.mp4
make begins.mp4 -f lavfi -i "$(card 320x180 10 4)" "${film[@]}" -g 10 -movflags +faststart
halve begins.mp4 >cut-off-later.mp4
halve cover.png >half.png
key=00112233445566778899aabbccddeeff
make encrypted.mp4 -i plain.mp4 -c copy -encryption_scheme cenc-aes-ctr -encryption_key $key -encryption_kid $key
make sound-only.mp4 "${sound[@]}" -c:a aac
cp no-audio.mp4 no-sound.mp4
printf '\x1a\x45\xdf\xa3\x09\x09\x09\x09 noise' >noise.mkv
: >empty.mp4
: >empty.mp3
echo 'Dear class, today we begin.' >letter.mp4
echo '<html><video src=x></video></html>' >page.mp4

# --- Bombs: little to send, much to unfold ---------------------------------------------------------------

# Two frames, more than half a day apart.
make too-long.mkv -f lavfi -i testsrc=size=64x48:rate=1:duration=2 -vf setpts=N*46900/TB -fps_mode passthrough "${film[@]}"
make too-large.mkv -f lavfi -i color=size=8200x4700:rate=1:duration=1 -frames:v 1 -c:v mjpeg
# A film whose picture grows in the middle.
make first.ts "${small[@]}" "${film[@]}" -f mpegts
make second.ts -f lavfi -i color=size=8200x4700:rate=25 -frames:v 1 "${film[@]}" -preset ultrafast -output_ts_offset 1 -f mpegts
cat first.ts second.ts >grows.ts
# A picture longer than any is taken, and the head of one of 60,000 by 60,000 pixels.
make bomb.png -f lavfi -i color=size=30100x16 -frames:v 1
printf '\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\xea\x60\0\0\xea\x60\x08\x02\0\0\0' >head.png
head -c 64 /dev/zero >>head.png
# tag FILE: the tags of an MP3 (ID3v2.3) with FILE as its cover; sizes under 2 MiB.
tag() {
  local size=$(($(stat -c %s "$1") + 14)) whole
  whole=$((size + 10))
  bytes() { printf "$(printf '\\x%02x' "$@")"; }
  printf 'ID3\x03\0\0'
  bytes $((whole >> 21 & 127)) $((whole >> 14 & 127)) $((whole >> 7 & 127)) $((whole & 127))
  printf 'APIC'
  bytes $((size >> 24 & 255)) $((size >> 16 & 255)) $((size >> 8 & 255)) $((size & 255))
  printf '\0\0\0image/png\0\x03\0'
  cat "$1"
}
make bare.mp3 "${sound[@]}" -c:a libmp3lame -id3v2_version 0 -write_xing 0
{ tag head.png && cat bare.mp3; } >cover-bomb.mp3
{ tag letter.mp4 && cat bare.mp3; } >cover-no-picture.mp3

# --- Files that name others ------------------------------------------------------------------------------

target=${LYCEUM_CORPUS_TARGET:-http://127.0.0.1:9/}
make secret.wav "${sound[@]}"
secret=${folder%.new}/secret.wav
printf '#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n%s\n#EXT-X-ENDLIST\n' "$secret" >playlist.m3u8
printf '#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n%s\n#EXT-X-ENDLIST\n' "$target" >playlist.mp4
printf "ffconcat version 1.0\nfile '%s'\n" "$secret" >concat.mp4
printf '<?xml version="1.0"?><MPD><Period><BaseURL>%s</BaseURL></Period></MPD>\n' "$target" >manifest.mpd
printf 'v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n' >session.sdp
printf '<asx version="3.0"><entry><ref href="%s"/></entry></asx>\n' "$target" >playlist.asx
printf '[playlist]\nFile1=%s\nNumberOfEntries=1\n' "$target" >playlist.pls
printf '<svg xmlns="http://www.w3.org/2000/svg"><image href="%s"/></svg>\n' "$target" >picture.svg
{ printf 'ID3\x03\0\0\0\0\0\0' && cat playlist.m3u8; } >playlist-behind-tags.mp3

echo "$folder"
