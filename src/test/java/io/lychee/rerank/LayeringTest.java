package io.lychee.rerank;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.Dependency;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.lang.ConditionEvents;
import com.tngtech.archunit.lang.SimpleConditionEvent;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.flink.annotation.Experimental;
import org.apache.flink.annotation.Internal;
import org.apache.flink.annotation.Public;
import org.apache.flink.annotation.PublicEvolving;

/** Holds the direction of imports, and the packages that may see a library. */
@AnalyzeClasses(packages = "io.lychee.rerank", importOptions = ImportOption.DoNotIncludeTests.class)
class LayeringTest {

    private static final String ROOT = "io.lychee.rerank.";
    private static final String FLINK = "org.apache.flink.";

    /** The packages of the engine jar, loaded once in a task manager's life: they know none of the job jar's. */
    private static final String ENGINE_JAR =
            "config domain checkpoint image prompt scoring torch qwen engine ranking task sql";

    /** Of our packages, those that each may import. */
    private static final Map<String, String> MAY_IMPORT = Map.ofEntries(
            Map.entry("domain", ""),
            Map.entry("config", ""),
            Map.entry("wire", "domain config"),
            Map.entry("kafka", "domain config"),
            Map.entry("records", "domain config wire kafka"),
            Map.entry("scoring", "domain"),
            Map.entry("checkpoint", "domain config"),
            Map.entry("image", "domain config checkpoint scoring"),
            Map.entry("prompt", "domain config checkpoint scoring image"),
            Map.entry("torch", "config"),
            Map.entry("qwen", "domain config checkpoint scoring torch"),
            Map.entry("engine", "domain config checkpoint scoring image prompt torch qwen"),
            Map.entry("ranking", "domain config"),
            Map.entry("task", "domain config scoring"),
            Map.entry("sql", "domain config scoring engine ranking task"),
            Map.entry("operator", "domain config wire kafka records scoring ranking task"),
            Map.entry("job", "domain config kafka records scoring engine operator task"),
            Map.entry("gateway", "domain config wire kafka records checkpoint image"),
            Map.entry("evaluation", "domain config wire kafka records"),
            Map.entry("hub", "config"),
            Map.entry("cli", ENGINE_JAR + " wire kafka records operator job gateway evaluation hub"),
            Map.entry("bench", ENGINE_JAR + " wire kafka records operator job cli"));

    /** Flink's classes that we use without a promise of compatibility: each new Flink version is checked for them. */
    private static final String FLINK_INTERNAL = """
            client.deployment.executors.LocalExecutor
            configuration.ConfigurationUtils
            configuration.GlobalConfiguration
            connector.kafka.sink.KafkaRecordSerializationSchema$KafkaSinkContext
            connector.kafka.source.KafkaSourceOptions
            connector.kafka.source.enumerator.KafkaSourceEnumState
            connector.kafka.source.split.KafkaPartitionSplit
            runtime.blob.TransientBlobService
            runtime.checkpoint.Checkpoints
            runtime.checkpoint.metadata.CheckpointMetadata
            runtime.dispatcher.DispatcherGateway
            runtime.dispatcher.SessionDispatcherFactory
            runtime.dispatcher.runner.DefaultDispatcherRunnerFactory
            runtime.entrypoint.component.DefaultDispatcherResourceManagerComponentFactory
            runtime.entrypoint.component.DispatcherResourceManagerComponentFactory
            runtime.execution.SuppressRestartsException
            runtime.leaderelection.LeaderElection
            runtime.minicluster.MiniCluster
            runtime.minicluster.MiniClusterConfiguration
            runtime.resourcemanager.ResourceManagerGateway
            runtime.resourcemanager.StandaloneResourceManagerFactory
            runtime.rest.RestEndpointFactory
            runtime.rest.handler.RestHandlerConfiguration
            runtime.rest.handler.legacy.metrics.MetricFetcher
            runtime.rpc.FatalErrorHandler
            runtime.util.EnvironmentInformation
            runtime.webmonitor.WebMonitorEndpoint
            runtime.webmonitor.retriever.LeaderGatewayRetriever
            streaming.api.graph.StreamGraph
            streaming.runtime.streamrecord.StreamRecord
            util.FileUtils
            """;

    @ArchTest
    void importsRunOneWay(JavaClasses all) {
        MAY_IMPORT.forEach((from, to) -> noClasses()
                .that()
                .resideInAPackage(ROOT + from + "..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(MAY_IMPORT.keySet().stream()
                        .filter(p ->
                                !p.equals(from) && !Arrays.asList(to.split(" ")).contains(p))
                        .map(p -> ROOT + p + "..")
                        .toArray(String[]::new))
                .check(all));
        classes()
                .should()
                .resideInAnyPackage(
                        MAY_IMPORT.keySet().stream().map(p -> ROOT + p + "..").toArray(String[]::new))
                .check(all);
        slices().matching(ROOT + "(*)..").should().beFreeOfCycles().check(all);
    }

    @ArchTest
    void librariesStayWhereTheyBelong(JavaClasses all) {
        only("ai.djl.ndarray..", "torch", "qwen").check(all);
        only("ai.djl..", "torch", "qwen", "prompt").check(all);
        only("io.netty..", "gateway").check(all);
        only("io.vertx..", "gateway").check(all);
        only("org.apache.avro..", "wire", "records").check(all);
        only(
                        "org.apache.flink..",
                        "config",
                        "kafka",
                        "task",
                        "sql",
                        "operator",
                        "job",
                        "engine",
                        "evaluation",
                        "cli",
                        "bench")
                .check(all);
        only("org.apache.flink.table..", "sql").check(all);
        only("org.apache.kafka..", "kafka", "records", "job", "gateway", "cli", "bench")
                .check(all);
    }

    @ArchTest
    void flinksInternalClassesAreListed(JavaClasses all) {
        classes()
                .that()
                .resideOutsideOfPackage(ROOT + "bench..")
                .should(new ArchCondition<>("use no internal class of Flink beside those listed") {
                    @Override
                    public void check(JavaClass ours, ConditionEvents events) {
                        for (Dependency dependency : ours.getDirectDependenciesFromSelf()) {
                            JavaClass flinks = dependency.getTargetClass().getBaseComponentType();
                            if (flinks.getName().startsWith(FLINK) && !isStable(flinks) && !isListed(flinks)) {
                                events.add(SimpleConditionEvent.violated(dependency, dependency.getDescription()));
                            }
                        }
                    }
                })
                .check(all);
    }

    private static boolean isListed(JavaClass flinks) {
        return FLINK_INTERNAL.lines().anyMatch(flinks.getName().substring(FLINK.length())::equals);
    }

    /** Tells whether Flink promises compatibility for a class, or for the one that it is nested in. */
    private static boolean isStable(JavaClass flinks) {
        return Stream.of(Public.class, PublicEvolving.class, Experimental.class).anyMatch(flinks::isAnnotatedWith)
                || (!flinks.isAnnotatedWith(Internal.class)
                        && flinks.getEnclosingClass()
                                .map(LayeringTest::isStable)
                                .orElse(false));
    }

    private static ArchRule only(String library, String... packages) {
        return noClasses()
                .that()
                .resideOutsideOfPackages(
                        Stream.of(packages).map(p -> ROOT + p + "..").toArray(String[]::new))
                .should()
                .dependOnClassesThat()
                .resideInAPackage(library);
    }
}
