#!/bin/sh
# What `mvn -Pfull` and `mvn -Psoak` need beside Java and Maven. One line a tool: its name and its Debian package.
# Says what it found; fails when one is missing, so that no test is left out unseen.
tier=full
tools='
chromium   chromium
git        git
node       nodejs
npm        npm
prlimit    util-linux
prometheus prometheus
'
if [ "$1" = soak ]; then
  tier=soak
  tools='
dockerd        docker.io
docker         docker.io
docker-compose docker-compose
debootstrap    debootstrap
'
  [ -r /proc/self/status ] || { echo '/proc/self/status is MISSING: -Psoak needs Linux' >&2; exit 1; }
  [ "$(id -u)" = 0 ] || echo '  ImagesSoakTest needs root, as the Docker daemon does' >&2
fi
echo "mvn -P$tier needs these tools:"
missing=$(
  echo "$tools" | while read -r tool package; do
    [ -n "$tool" ] || continue
    if command -v "$tool" >/dev/null; then
      version=$("$tool" --version 2>/dev/null </dev/null | head -n 1)
      echo "  $tool: ${version#"$tool" } ($(command -v "$tool"))" >&2
    else
      echo "  $tool: MISSING" >&2
      echo "$package"
    fi
  done
)
if [ -n "$missing" ]; then
  echo "Tools are missing. On Debian: apt-get install $(echo $missing)" >&2
  exit 1
fi
