package io.lychee.rerank;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.Stream;

/** Holds the direction of imports, and the packages that may see a library. */
@AnalyzeClasses(packages = "io.lychee.rerank", importOptions = ImportOption.DoNotIncludeTests.class)
class LayeringTest {

    private static final String ROOT = "io.lychee.rerank.";

    /** The packages of the engine jar, loaded once in a task manager's life: they know none of the job jar's. */
    private static final String ENGINE_JAR = "config domain checkpoint image prompt scoring torch qwen engine";

    /** Of our packages, those that each may import. */
    private static final Map<String, String> MAY_IMPORT = Map.ofEntries(
            Map.entry("domain", ""),
            Map.entry("config", ""),
            Map.entry("wire", "domain config"),
            Map.entry("kafka", "domain config wire"),
            Map.entry("scoring", "domain"),
            Map.entry("checkpoint", "domain config"),
            Map.entry("image", "domain config checkpoint scoring"),
            Map.entry("prompt", "domain config checkpoint scoring image"),
            Map.entry("torch", "config"),
            Map.entry("qwen", "domain config checkpoint scoring torch"),
            Map.entry("engine", "domain config checkpoint scoring image prompt torch qwen"),
            Map.entry("ranking", "domain config"),
            Map.entry("operator", "domain config wire kafka scoring ranking"),
            Map.entry("job", "domain config wire kafka scoring engine operator"),
            Map.entry("gateway", "domain config wire kafka checkpoint"),
            Map.entry("evaluation", "domain config wire kafka"),
            Map.entry("cli", ENGINE_JAR + " wire kafka ranking operator job gateway evaluation"),
            Map.entry("bench", ENGINE_JAR + " wire kafka operator job cli"));

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
        only("org.apache.avro..", "wire", "kafka").check(all);
        only("org.apache.flink..", "config", "kafka", "operator", "job", "engine", "evaluation", "cli", "bench")
                .check(all);
        only("org.apache.kafka..", "kafka", "job", "gateway", "cli", "bench").check(all);
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
