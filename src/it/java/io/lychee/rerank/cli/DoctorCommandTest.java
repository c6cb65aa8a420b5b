package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.kafka.TopicAdmin;
import io.lychee.rerank.kafka.TopicCheck;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** {@code ./lychee doctor} says what the job's own start would say, all of it at once. */
@Timeout(180)
class DoctorCommandTest {

    @TempDir
    private Path folder;

    @Test
    void thisMachineIsWell() throws Exception {
        Cli run = Cli.run("doctor", "--device", "cpu", "--json");

        assertThat(run.exitCode()).as(run.out() + run.err()).isZero();
        JsonNode report = new ObjectMapper().readTree(run.out());
        assertThat(report.path("ok").asBoolean()).isTrue();
        assertThat(report.path("findings").findValuesAsText("what"))
                .containsExactly(
                        "Java",
                        "system",
                        "JPEG decoder",
                        "Flink",
                        "machine",
                        "DJL",
                        "PyTorch",
                        "CUDA",
                        "configuration",
                        "memory",
                        "device",
                        "checkpoint",
                        "job");
        assertThat(report.path("findings").findValuesAsText("found"))
                .allSatisfy(found -> assertThat(found).isNotBlank())
                .anyMatch(found -> found.startsWith("libjpeg-turbo") || found.startsWith("libjpeg 6b"))
                .anyMatch(found -> found.contains("JNI 2.7.1"))
                .anyMatch(found -> found.equals("cpu in float32 with plain attention"))
                .anyMatch(found -> found.contains("default instruction \"Given a web search query"));
    }

    @Test
    void whatKeepsTheJobFromStartingIsNamedWithItsKey() throws Exception {
        Cli run = doctor("model.checkpoint=nowhere", "kafka.bootstrap-servers=127.0.0.1:9", "model.device=cpu");

        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.out())
                .contains("NO   memory         model.checkpoint is nowhere")
                .contains("NO   broker         no broker answered at 127.0.0.1:9 within 10 s (kafka.bootstrap-servers)")
                .contains("ok   job")
                .contains("The job would not start.");
    }

    @Test
    void aWrongKeyEndsTheSearch() throws Exception {
        Cli run = doctor("image.max-pixel=5");

        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.out())
                .contains("NO   configuration  unknown key image.max-pixel; did you mean image.max-pixels?");
    }

    @Test
    void topicsAndPermissions() throws Exception {
        try (EmbeddedBroker broker = EmbeddedBroker.start()) {
            String[] keys = {
                "kafka.bootstrap-servers=" + broker.bootstrapServers(),
                "model.checkpoint=src/test/resources/golden/checkpoint",
                "model.device=cpu"
            };
            Cli missing = doctor(keys);
            assertThat(missing.exitCode()).isEqualTo(1);
            assertThat(missing.out()).contains("rerank.dead-letters").contains("kafka-topics.sh");

            RerankConfig.Kafka kafka = RerankConfig.of(
                            Map.of("kafka.bootstrap-servers", broker.bootstrapServers(), "model.checkpoint", "none"))
                    .kafka();
            new TopicAdmin(kafka, Duration.ofSeconds(30)).createMissing(TopicAdmin.topics(kafka), 1);
            Cli well = doctor(keys);
            assertThat(well.exitCode()).as(well.out()).isZero();
            assertThat(well.out()).contains("ok   broker").contains("The job would start.");
        }
    }

    @Test
    void aRightThatIsMissing() throws Exception {
        Map<String, String> authorizer = Map.of(
                "authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "allow.everyone.if.no.acl.found", "true");
        try (EmbeddedBroker broker = EmbeddedBroker.start(folder.resolve("broker"), 0, false, authorizer);
                Admin admin = Admin.create(Map.of("bootstrap.servers", broker.bootstrapServers()))) {
            RerankConfig config = RerankConfig.of(
                    Map.of("kafka.bootstrap-servers", broker.bootstrapServers(), "model.checkpoint", "none"));
            TopicCheck check = new TopicCheck(config.kafka(), Duration.ofSeconds(30));
            new TopicAdmin(config.kafka(), Duration.ofSeconds(30)).createMissing(TopicAdmin.topics(config.kafka()), 1);
            assertThat(check.checkJob()).isEmpty();

            ResourcePattern topic =
                    new ResourcePattern(ResourceType.TOPIC, config.kafka().resultsTopic(), PatternType.LITERAL);
            admin.createAcls(List.of(
                            new AclBinding(topic, all(AclOperation.ALL, AclPermissionType.ALLOW)),
                            new AclBinding(topic, all(AclOperation.WRITE, AclPermissionType.DENY))))
                    .all()
                    .get();
            // the broker follows its controller a little later; the test's timeout ends a wait in vain
            ConfigException refused = null;
            while (refused == null) {
                try {
                    var unused = check.checkJob();
                } catch (ConfigException e) {
                    refused = e;
                }
            }
            assertThat(refused)
                    .hasMessageContaining("may not write topic rerank.results")
                    .hasMessageContaining("--operation write --topic rerank.results");
        }
    }

    private static AccessControlEntry all(AclOperation operation, AclPermissionType permission) {
        return new AccessControlEntry("User:*", "*", operation, permission);
    }

    private Cli doctor(String... keys) throws Exception {
        Path conf = Files.writeString(folder.resolve("doctor.properties"), String.join("\n", keys));
        return Cli.run("doctor", "--conf", conf.toString());
    }
}
