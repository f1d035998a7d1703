#!/usr/bin/env bash
# Replaces the challenge's eval.sh: one archive for all recordings, and the ratio with and without the executables.
#
#     ./eval.sh [FOLDER]        folder of the recordings; default: data, unzipped from data.zip if it does not exist
set -euo pipefail

folder="${1:-data}"
here="$(cd "$(dirname "$0")" && pwd)"
if [ ! -d "$folder" ] && [ -f "$folder.zip" ]; then
    unzip -q "$folder.zip"
fi
size() { wc -c < "$1"; }

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

echo "Processing $folder"
spikey compress --coder range --quiet "$folder"/*.wav "$work/all.spk"
spikey decompress --quiet "$work/all.spk" "$work/copy"

total_size_raw=0
for file in "$folder"/*.wav; do
    if ! cmp --silent "$file" "$work/copy/$(basename "$file")"; then
        echo "ERROR: $file and its decompressed copy are different."
        exit 1
    fi
    total_size_raw=$((total_size_raw + $(size "$file")))
done
archive_size=$(size "$work/all.spk")
executables_size=$(($(size "$here/encode") + $(size "$here/decode")))
total_size_compressed=$((archive_size + executables_size))
ratio() { awk -v raw="$total_size_raw" -v packed="$1" 'BEGIN { printf "%.4f", raw / packed }'; }

echo "All recordings successfully compressed."
echo "Original size (bytes): $total_size_raw"
echo "Compressed size (bytes): $total_size_compressed"
echo "Compression ratio: $(ratio "$total_size_compressed")"
echo "Compressed size without encode and decode (bytes): $archive_size"
echo "Compression ratio without encode and decode: $(ratio "$archive_size")"
