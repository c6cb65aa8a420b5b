#!/bin/sh
# Counts hand-written lines by package: files, all lines, non-blank lines. Leaves out the demo's data.
cd "$(dirname "$0")/../.." || exit 1
count() {
  find "$1" -type f \( -name '*.java' -o -name '*.py' -o -name '*.cu' -o -name '*.js' -o -name '*.css' -o -name '*.html' \
    -o -name '*.mustache' -o -name '*.json' \) -print0 | xargs -0 -r cat | awk -v name="$2" -v files="$(find "$1" -type f | wc -l)" \
    '{ lines++ } NF { text++ } END { printf "%-28s %5d %7d %7d\n", name, files, lines, text }'
}
printf '%-28s %5s %7s %7s\n' package files lines text
for folder in src/main/java/io/lychee/rerank/*/ src/main/resources/*/ src/bench/java/io/lychee/rerank/*/; do
  count "$folder" "$(echo "$folder" | sed 's|src/||; s|java/io/lychee/rerank/||; s|/$||')"
done
count src/main/java 'main Java'
count src/main/resources 'main resources'
count src/bench 'benchmarks'
find src/main/java src/bench/java -name '*.java' -exec wc -l {} \; | sort -n |
  awk '{ lines[NR] = $1 } END { printf "lines of a file: median %d, p90 %d, largest %d\n", lines[int((NR + 1) / 2)], lines[int(NR * 0.9)], lines[NR] }'
