#!/usr/bin/env bash
# Makes the recordings, pictures and worksheets of the demo school from the sources beside this script.
#
#   demo/recordings.sh [FOLDER]      default: ${XDG_CACHE_HOME:-$HOME/.cache}/lyceum/recordings
#
# The name of a source says what becomes of it:
#
#   files/NAME.png.svg, NAME.jpg.svg   a drawing, styled by drawing.css       -> NAME.png, NAME.jpg
#   files/NAME.pdf.svg                 a sheet of paper (A4)                   -> NAME.pdf
#   files/NAME                         anything else is copied                 -> NAME
#   recordings/NAME.EXT/NN.txt         what is said; in a film its first line is the slide's heading
#   recordings/NAME.EXT/NN.svg         what is drawn on that slide, styled by slide.css
#   recordings/NAME.EXT/NN.de          the spoken lines of NN.txt in another language, one for each (optional)
#   recordings/NAME.EXT/voice          options of espeak-ng (optional)
#
# Captions come with every recording, NAME.EXT.en.vtt, and one file more for each language that all its parts have.
# A film as mp4 gets a chapter for each slide.
#
# and the ending of a recording decides how it is made, so that the school holds what real teachers bring:
#
#   mp4   H.264 and AAC, 1280x720         avi   MPEG-4 and MP3, 640x480
#   webm  VP9 and Opus, 854x480           mov   H.264 and AAC, a telephone held upright (turned by a display matrix)
#   wav   PCM, 44.1 kHz                   ogg   Vorbis
#
# What is newer than its sources is left alone, and a result appears under its name only when it is whole.
# Needs ffmpeg, espeak-ng, rsvg-convert and a DejaVu font (Debian: ffmpeg espeak-ng librsvg2-bin fonts-dejavu-core).
set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here rate=44100

quietly() { ffmpeg -nostdin -hide_banner -loglevel error -y "$@"; }

seconds_of() { ffprobe -v error -show_entries format=duration -of csv=p=0 "$1"; }

# One line of a narration as sound: "@tone HERTZ SECONDS FADE A1 A2 ..." is a note made of harmonics with these strengths, each
# fading the faster the higher it is (FADE is the rate of the lowest, per second; 0 holds the note), or two notes as HERTZ+HERTZ; "@beat SECONDS PATTERN" is a
# rhythm of wooden clicks, a step for each character, struck where it is an x; "@rest SECONDS" is silence; any other line is spoken.
say() { # line, output, voice...
    local line=$1 out=$2 fade hertz pitch seconds sum=0 n=0 strength
    shift 2
    case $line in
    @tone\ *)
        read -r _ hertz seconds fade strength <<<"$line"
        for strength in $strength; do
            n=$((n + 1))
            for pitch in ${hertz//+/ }; do
                sum="$sum+$strength*sin(2*PI*$n*$pitch*t)*exp(-$fade*$n*t)"
            done
        done
        quietly -f lavfi -i "aevalsrc='0.25*($sum)':s=$rate:d=$seconds" \
            -af "afade=t=in:d=0.008,afade=t=out:st=$(awk "BEGIN { print $seconds - 0.15 }"):d=0.15" "$out"
        ;;
    @beat\ *)
        read -r _ seconds strength <<<"$line"
        for ((n = 0; n < ${#strength}; n++)); do
            [[ ${strength:n:1} == x ]] || continue
            sum="$sum+gte(t,$n*$seconds)*sin(2*PI*1150*(t-$n*$seconds))*exp(-45*max(t-$n*$seconds,0))"
        done
        quietly -f lavfi -i "aevalsrc='0.6*($sum)':s=$rate:d=$(awk "BEGIN { print ${#strength} * $seconds }")" "$out"
        ;;
    @rest\ *) quietly -f lavfi -i "anullsrc=r=$rate:cl=mono" -t "${line#@rest }" "$out" ;;
    *) espeak-ng "$@" -w "$out" -- "$line" ;;
    esac
}

# Adds what is heard of one line to a list of cues: start, end, words, parted by tabs; a cue for each sentence, as long as its
# share of the letters.
cue() { # list, start, seconds, line
    case $4 in
    @rest\ *) ;;
    @*)
        # Several in a row are one.
        [[ -f $1 && $(tail -n 1 "$1") == *'['*']' ]] && return
        printf '%s\t%s\t[%s]\n' "$2" "$(awk "BEGIN { print $2 + $3 }")" "$([[ $4 == @tone* ]] && echo 'A tone' || echo 'Clicks')"
        ;;
    *)
        awk -v at="$2" -v seconds="$3" -v line="$4" 'BEGIN {
            gsub(/\. /, ".\n", line); gsub(/\? /, "?\n", line); gsub(/! /, "!\n", line)
            n = split(line, part, "\n")
            for (i = 1; i <= n; i++) letters += length(part[i])
            for (i = 1; i <= n; i++) {
                end = at + seconds * length(part[i]) / letters
                printf "%.3f\t%.3f\t%s\n", at, end, part[i]
                at = end
            }
        }'
        ;;
    esac >>"$1"
}

# A list of cues as WebVTT.
webvtt() { # list
    awk -F '\t' 'function time(s) { return sprintf("%02d:%02d:%06.3f", s / 3600, s % 3600 / 60, s % 60) }
        BEGIN { print "WEBVTT" }
        { printf "\n%s --> %s\n%s\n", time($1), time($2), $3 }' "$1"
}

# All lines of a narration, one after another with a breath between them. A heading is not read aloud. What is heard when is
# added to the lists of cues beside the output, from a moment on.
narrate() { # text, work folder, output, moment
    local text=$1 work=$2 out=$3 at=${4:-0} line n=0 spoken=0 graph='' joined='' length other words voice=(-v en-us -s 160 -p 40 -g 3)
    at=$(awk "BEGIN { print $at + 0.4 }")
    local inputs=()
    [[ -f $(dirname "$text")/voice ]] && read -r -a voice <"$(dirname "$text")/voice"
    while IFS= read -r line; do
        [[ -z $line || $line == \#* ]] && continue
        say "$line" "$work/line-$n.wav" "${voice[@]}"
        length=$(seconds_of "$work/line-$n.wav")
        cue "$work/cues.en" "$at" "$length" "$line"
        if [[ $line != @* ]]; then
            spoken=$((spoken + 1))
            for other in "${text%.txt}".??; do
                [[ -f $other ]] || continue
                words=$(sed -n "${spoken}p" "$other")
                cue "$work/cues.${other##*.}" "$at" "$length" "$words"
            done
        fi
        at=$(awk "BEGIN { print $at + $length + 0.3 }")
        inputs+=(-i "$work/line-$n.wav")
        graph+="[$n:a]aresample=$rate,aformat=channel_layouts=mono,apad=pad_dur=0.3[l$n];"
        joined+="[l$n]"
        n=$((n + 1))
    done <"$text"
    # The filter takes the edge off a synthetic voice; the limiter keeps a strong syllable from clipping.
    quietly "${inputs[@]}" -filter_complex "$graph${joined}concat=n=$n:v=0:a=1,highpass=f=80,lowpass=f=8000,\
adelay=400,apad=pad_dur=0.5,volume=1.6,alimiter=limit=0.8:level=0" -ac 1 -ar "$rate" "$out"
}

# A slide: the frame, the heading (" | " breaks its lines) and the drawing.
draw_slide() { # text, drawing, width, height, output
    local text=$1 drawing=$2 width=$3 height=$4 out=$5 tall=0
    ((height > width)) && tall=1
    {
        awk -v heading="$(head -n 1 "$text")" -v w="$((tall ? 720 : 720 * width / height))" -v h="$((tall ? 1280 : 720))" 'BEGIN {
            printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\">", w, h
            print "<defs><radialGradient id=\"night\" cx=\".3\" cy=\".1\" r=\"1\">" \
                "<stop offset=\"0\" stop-color=\"#2a4752\"/><stop offset=\"1\" stop-color=\"#15242b\"/></radialGradient></defs>"
            printf "<rect width=\"%d\" height=\"%d\" fill=\"url(#night)\"/>", w, h
            sub(/^# */, "", heading); gsub(/&/, "\\&amp;", heading)
            lines = split(heading, line, / \| /)
            for (i = 1; i <= lines; i++)
                printf "<text class=\"heading\" x=\"%d\" y=\"%d\">%s</text>", (h > w ? 60 : 96), (h > w ? 130 : 104) + 54 * (i - 1), line[i]
        }'
        cat "$drawing"
        echo '</svg>'
    } | rsvg-convert --stylesheet "$here/slide.css" -w "$width" -h "$height" -o "$out"
}

# Slides and narration of a film, joined: every slide stands as long as it is spoken about.
film() { # source folder, work folder, width, height, extra filter, output options...
    local source=$1 work=$2 width=$3 height=$4 turn=$5 text slide n=0 at=0 graph='' joined='' length
    local inputs=() chapters=()
    shift 5
    echo ';FFMETADATA1' >"$work/chapters" 
    for text in "$source"/*.txt; do
        slide=$work/$(basename "$text" .txt)
        draw_slide "$text" "${text%.txt}.svg" "$width" "$height" "$slide.png"
        narrate "$text" "$work" "$slide.wav" "$at"
        length=$(seconds_of "$slide.wav")
        awk -v at="$at" -v seconds="$length" -v heading="$(head -n 1 "$text")" 'BEGIN {
            sub(/^# */, "", heading); gsub(/ \| /, " ", heading); gsub(/[=;#\\]/, "\\\\&", heading)
            printf "[CHAPTER]\nTIMEBASE=1/1000\nSTART=%d\nEND=%d\ntitle=%s\n", at * 1000, (at + seconds) * 1000, heading
        }' >>"$work/chapters"
        at=$(awk "BEGIN { print $at + $length }")
        inputs+=(-i "$slide.png" -i "$slide.wav")
        graph+="[$((2 * n)):v]fps=25,tpad=stop_mode=clone:stop_duration=$length,trim=duration=$length,setpts=PTS-STARTPTS,\
fade=t=in:d=0.35:color=0x1d323b,format=yuv420p$turn[v$n];"
        joined+="[v$n][$((2 * n + 1)):a]"
        n=$((n + 1))
    done
    if [[ $source == *.mp4 ]]; then chapters=(-f ffmetadata -i "$work/chapters" -map_chapters "$((2 * n))"); fi
    quietly "${inputs[@]}" "${chapters[@]}" -filter_complex "$graph${joined}concat=n=$n:v=1:a=1[v][a]" -map '[v]' -map '[a]' "$@"
}

# A telephone stores the picture lying and says how far to turn it. FFmpeg took that from a tag until 6.0, then from an option.
upright() { # lying film, output
    if ffmpeg -hide_banner -h full 2>/dev/null | grep -q display_rotation; then
        quietly -display_rotation:v:0 270 -i "$1" -c copy "$2"
    else
        quietly -i "$1" -c copy -metadata:s:v:0 rotate=270 "$2"
    fi
}

record() { # source folder, work folder, output
    local source=$1 work=$2 out=$3
    local h264=(-c:v libx264 -preset veryfast -tune stillimage -crf 21 -c:a aac -b:a 128k)
    case $out in
    *.mp4) film "$source" "$work" 1280 720 '' "${h264[@]}" -movflags +faststart "$out" ;;
    *.avi) film "$source" "$work" 640 480 '' -c:v mpeg4 -q:v 4 -c:a libmp3lame -b:a 112k "$out" ;;
    *.webm) film "$source" "$work" 854 480 '' -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -row-mt 1 -b:v 0 -crf 32 \
        -c:a libopus -b:a 64k "$out" ;;
    *.mov)
        film "$source" "$work" 1080 1920 ',transpose=cclock' "${h264[@]}" "$work/lying.mov"
        upright "$work/lying.mov" "$out"
        ;;
    *.wav | *.ogg)
        cat "$source"/*.txt >"$work/all.txt"
        [[ -f $source/voice ]] && cp "$source/voice" "$work/"
        narrate "$work/all.txt" "$work" "$work/all.wav"
        if [[ $out == *.wav ]]; then cp "$work/all.wav" "$out"; else quietly -i "$work/all.wav" -c:a libvorbis -q:a 4 "$out"; fi
        ;;
    *) echo "recordings.sh: no recipe for $out; use mp4, avi, webm, mov, wav or ogg" >&2 && return 1 ;;
    esac
}

draw() { # source, work folder, output
    case $3 in
    *.png) rsvg-convert --stylesheet "$here/drawing.css" -w 1440 -o "$3" "$1" ;;
    *.jpg)
        rsvg-convert --stylesheet "$here/drawing.css" -w 1440 -o "$2/drawing.png" "$1"
        quietly -i "$2/drawing.png" -q:v 3 -frames:v 1 -update 1 "$3"
        ;;
    *.pdf) rsvg-convert -f pdf --stylesheet "$here/drawing.css" -o "$3" "$1" ;;
    *) echo "recordings.sh: no recipe for $1; name it NAME.png.svg, NAME.jpg.svg or NAME.pdf.svg" >&2 && return 1 ;;
    esac
}

# Makes one result unless it is newer than all it is made of.
make_one() { # source, folder
    local source=$1 folder=$2 name out work list
    name=$(basename "$source" .svg)
    out=$folder/$name
    if [[ -f $out && -z $(find "$source" "$here/"*.css "$here/recordings.sh" -newer "$out" -print -quit) ]]; then return; fi
    work=$(mktemp -d "$folder/.making.XXXXXX")
    # shellcheck disable=SC2064 # the folder of now is meant
    trap "rm -rf '$work'" EXIT
    if [[ -d $source ]]; then
        record "$source" "$work" "$work/$name"
        for list in "$work"/cues.*; do webvtt "$list" >"$work/$name.${list##*.}.vtt"; done
        mv "$work/$name".*.vtt "$folder/"
    elif [[ $source == *.svg ]]; then
        draw "$source" "$work" "$work/$name"
    else
        cp "$source" "$work/$name"
    fi
    mv "$work/$name" "$out"
    echo "made $name"
}

if [[ ${1:-} == --one ]]; then
    make_one "$2" "$3"
    exit
fi

folder=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/lyceum/recordings}
for program in ffmpeg ffprobe espeak-ng rsvg-convert; do
    command -v "$program" >/dev/null || {
        echo "recordings.sh: $program is missing; on Debian: apt-get install ffmpeg espeak-ng librsvg2-bin fonts-dejavu-core" >&2
        exit 1
    }
done
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
# What a run that was killed left behind.
find "$folder" -maxdepth 1 -name '.making.*' -mmin +60 -exec rm -rf {} +
printf '%s\0' "$here"/recordings/* "$here"/files/* |
    xargs -0 -P "$(nproc)" -I '{}' bash "$here/recordings.sh" --one '{}' "$folder"
