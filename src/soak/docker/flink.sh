#!/bin/bash
# Does with standalone-job and taskmanager what the entrypoint of Flink's image and Flink's scripts do.
set -euo pipefail
conf="$FLINK_HOME/conf"
export FLINK_CONF_DIR="$conf" FLINK_LIB_DIR="$FLINK_HOME/lib" FLINK_PLUGINS_DIR="$FLINK_HOME/plugins"
export LD_PRELOAD=/usr/lib/x86_64-linux-gnu/libjemalloc.so.2

utils() {
  java -cp "$FLINK_HOME/lib/*" org.apache.flink.runtime.util.bash.BashJavaUtils "$@" |
    sed -n 's/^BASH_JAVA_UTILS_EXEC_RESULT://p'
}

keys=("-Djobmanager.rpc.address=$JOB_MANAGER_RPC_ADDRESS" -Dblob.server.port=6124 -Dquery.server.port=6125)
while IFS=': ' read -r key value; do
  [[ -z "$key" ]] || keys+=("-D$key=$value")
done <<<"${FLINK_PROPERTIES:-}"
updated="$(utils UPDATE_AND_GET_FLINK_CONFIGURATION --configDir "$conf" -flatten "${keys[@]}")"
echo "$updated" >"$conf/config.yaml"

command="$1"
shift
case "$command" in
  standalone-job) main=container.entrypoint.StandaloneApplicationClusterEntryPoint resources=GET_JM_RESOURCE_PARAMS ;;
  taskmanager) main=runtime.taskexecutor.TaskManagerRunner resources=GET_TM_RESOURCE_PARAMS ;;
  *) exec "$command" "$@" ;;
esac
# flags of the JVM, then keys
mapfile -t resources < <(utils "$resources" --configDir "$conf" "$@")
options="$(sed -n "s/^env.java.opts.all: //p" "$conf/config.yaml")"
# shellcheck disable=SC2086 # several options in one variable
exec java ${resources[0]} $options -Dorg.apache.logging.log4j.level=INFO -cp "$FLINK_HOME/lib/*" \
  "org.apache.flink.$main" --configDir "$conf" ${resources[1]:-} "$@"
