package io.lychee.rerank;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.syntax.elements.ClassesShouldConjunction;

/**
 * Imports run one way: cli → {job, gateway, evaluation} → {operator, kafka, engine} → {encoding, qwen} → scoring →
 * domain; config is a leaf. What is a jar in Flink's lib/ (see the README) knows nothing of what is in the job jar.
 */
@AnalyzeClasses(packages = "io.lychee.rerank", importOptions = ImportOption.DoNotIncludeTests.class)
class LayeringTest {

    private static final String ROOT = "io.lychee.rerank.";

    @ArchTest
    void domainKnowsNothing(JavaClasses classes) {
        imports(
                        "domain",
                        "scoring",
                        "encoding",
                        "qwen",
                        "kafka",
                        "operator",
                        "config",
                        "evaluation",
                        "job",
                        "gateway",
                        "cli")
                .check(classes);
        noClasses()
                .that()
                .resideInAPackage(ROOT + "domain..")
                .should()
                .dependOnClassesThat()
                .resideOutsideOfPackages("java..", "org.jspecify..", ROOT + "domain..")
                .check(classes);
    }

    @ArchTest
    void scoringKnowsTheDomainOnly(JavaClasses classes) {
        imports("scoring", "encoding", "qwen", "kafka", "operator", "config", "evaluation", "job", "gateway", "cli")
                .check(classes);
    }

    @ArchTest
    void configIsALeaf(JavaClasses classes) {
        imports("config", "domain", "scoring", "encoding", "qwen", "kafka", "operator", "job", "gateway", "cli")
                .check(classes);
    }

    @ArchTest
    void theMiddleKnowsNeitherJobNorCli(JavaClasses classes) {
        for (String middle : new String[] {"encoding", "qwen", "kafka", "operator"}) {
            imports(middle, "job", "gateway", "cli").check(classes);
        }
        imports("encoding", "qwen", "kafka", "operator").check(classes);
        imports("qwen", "encoding", "kafka", "operator").check(classes);
        imports("kafka", "encoding", "qwen", "operator", "scoring").check(classes);
        imports("operator", "encoding", "qwen").check(classes);
        imports("job", "gateway", "cli").check(classes);
    }

    @ArchTest
    void theEngineJarKnowsNothingOfTheJobJar(JavaClasses classes) {
        for (String inLib : new String[] {"domain", "scoring", "encoding", "qwen", "config", "engine"}) {
            imports(inLib, "kafka", "operator", "job", "evaluation", "gateway", "cli")
                    .check(classes);
        }
        imports("operator", "engine").check(classes);
        imports("encoding", "engine").check(classes);
        imports("qwen", "engine").check(classes);
    }

    @ArchTest
    void theGatewayKnowsTheWireOnly(JavaClasses classes) {
        imports("gateway", "scoring", "encoding", "qwen", "operator", "evaluation", "job", "cli")
                .check(classes);
        noClasses()
                .that()
                .resideInAPackage(ROOT + "gateway..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("org.apache.flink..", "org.apache.avro..", "ai.djl..")
                .check(classes);
        noClasses()
                .that()
                .resideOutsideOfPackage(ROOT + "gateway..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("io.netty..")
                .check(classes);
    }

    @ArchTest
    void evaluationReadsAnswersAndNothingElse(JavaClasses classes) {
        imports("evaluation", "scoring", "encoding", "qwen", "operator", "job", "cli")
                .check(classes);
        noClasses()
                .that()
                .resideInAPackage(ROOT + "evaluation..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("org.apache.flink..", "org.apache.kafka..")
                .check(classes);
    }

    @ArchTest
    void noCycles(JavaClasses classes) {
        slices().matching(ROOT + "(*)..").should().beFreeOfCycles().check(classes);
    }

    @ArchTest
    void onlyTheNetworkSeesTensorsAndOnlyTheTokenizerElseSeesDjl(JavaClasses classes) {
        noClasses()
                .that()
                .resideOutsideOfPackages(ROOT + "qwen..", ROOT + "encoding..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("ai.djl..")
                .check(classes);
        noClasses()
                .that()
                .resideInAPackage(ROOT + "encoding..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("ai.djl.ndarray..")
                .check(classes);
    }

    @ArchTest
    void onlyTheJobSideSeesFlink(JavaClasses classes) {
        noClasses()
                .that()
                .resideInAnyPackage(ROOT + "domain..", ROOT + "scoring..", ROOT + "encoding..", ROOT + "qwen..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("org.apache.flink..")
                .check(classes);
    }

    private static ClassesShouldConjunction imports(String from, String... refused) {
        String[] packages = new String[refused.length];
        for (int i = 0; i < refused.length; i++) {
            packages[i] = ROOT + refused[i] + "..";
        }
        return noClasses()
                .that()
                .resideInAPackage(ROOT + from + "..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(packages);
    }
}
