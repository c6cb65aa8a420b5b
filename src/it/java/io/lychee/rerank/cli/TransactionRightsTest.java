package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.kafka.TopicCheck;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
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

/** Exactly once on a real broker that lets nobody have transactions. */
@Timeout(120)
class TransactionRightsTest {

    @Test
    void areAskedForBeforeAJobStarts(@TempDir Path folder) throws Exception {
        Map<String, String> authorizer = Map.of(
                "authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "allow.everyone.if.no.acl.found", "true");
        try (EmbeddedBroker broker = EmbeddedBroker.start(folder, 0, false, authorizer);
                Admin admin = Admin.create(Map.of("bootstrap.servers", broker.bootstrapServers()))) {
            RerankConfig config = RerankConfig.of(Map.of(
                    "kafka.bootstrap-servers",
                    broker.bootstrapServers(),
                    "kafka.delivery-guarantee",
                    "exactly-once",
                    "model.checkpoint",
                    "none"));
            TopicCheck check = new TopicCheck(config.kafka(), Duration.ofSeconds(30));
            assertThat(check.checkDelivery()).isEmpty();

            var ids = new ResourcePattern(
                    ResourceType.TRANSACTIONAL_ID, config.kafka().groupId(), PatternType.PREFIXED);
            var nobody = new AccessControlEntry("User:*", "*", AclOperation.ALL, AclPermissionType.DENY);
            admin.createAcls(List.of(new AclBinding(ids, nobody))).all().get();
            // the broker follows its controller a little later; the test's timeout ends a wait in vain
            ConfigException refused = null;
            while (refused == null) {
                try {
                    var unused = check.checkDelivery();
                } catch (ConfigException e) {
                    refused = e;
                }
            }
            // who only reads or asks needs no transactions
            assertThat(check.check(Set.of())).isEmpty();
            assertThat(refused)
                    .hasMessageContaining(
                            "may not write transactional-id " + config.kafka().groupId())
                    .hasMessageContaining("--operation write --transactional-id "
                            + config.kafka().groupId() + " --resource-pattern-type prefixed");
        }
    }
}
