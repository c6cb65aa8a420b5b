#!/bin/bash
# Starts the broker as Kafka's image does, from KAFKA_* of the environment; under a tool's name runs that tool.
set -euo pipefail
run() { exec java -Xmx"$1" -cp '/opt/kafka/libs/*' "${@:2}"; }
case "$(basename "$0")" in
  kafka-topics.sh) run 128m org.apache.kafka.tools.TopicCommand "$@" ;;
  kafka-broker-api-versions.sh) run 128m org.apache.kafka.tools.BrokerApiVersionsCommand "$@" ;;
esac
export CLUSTER_ID="${CLUSTER_ID:-5L6g3nShT-eMCtK--X86sw}"
mkdir -p /tmp/defaults
for name in server.properties log4j2.yaml tools-log4j2.yaml; do touch "/tmp/defaults/$name"; done
# writes server.properties and formats the folder, or says that it is formatted already
(run 128m kafka.docker.KafkaDockerWrapper setup --default-configs-dir /tmp/defaults \
  --mounted-configs-dir /mnt/shared/config --final-configs-dir /opt/kafka/config) \
  || [[ -f "$KAFKA_LOG_DIRS/meta.properties" ]]
run 512m -Dorg.apache.logging.log4j.level=WARN kafka.Kafka /opt/kafka/config/server.properties
