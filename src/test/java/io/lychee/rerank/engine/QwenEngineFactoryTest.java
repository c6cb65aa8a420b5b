package io.lychee.rerank.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.RankedCandidate;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.ranking.Ranking;
import io.lychee.rerank.ranking.Rules;
import io.lychee.rerank.scoring.Engine;
import io.lychee.rerank.scoring.EngineRegistry;
import io.lychee.rerank.scoring.Lists;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(120)
class QwenEngineFactoryTest {

    private static final String CHECKPOINT = "src/test/resources/golden/checkpoint";

    @TempDir
    private Path folder;

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "rules | weak: score < 0.4 -> drop",
                "realtime.timeout | 7 s",
                "backfill.timeout | 7 s",
                "backfill.min-share | 0.2",
                "realtime.capacity | 7",
                "fetch.timeout | 7 s",
                "fetch.connect-timeout | 7 s",
                "fetch.tries | 7",
                "fetch.max-connections | 7",
                "image.decode-timeout | 7 s",
                "list.max-candidates | 7",
                "pass.timeout | 7 s",
                "engine.on-death | exit",
                "encode.threads | 7",
                "encode.max-bytes | 7 mb",
                "cache.images.max-bytes | 7 mb",
                "cache.scores.max-entries | 7",
                "kafka.topic.requests | another"
            })
    void jobsThatDifferInWhatNoScoreDependsOnShareAnEngine(String name, String value) {
        assertThat(network(name, value)).isEqualTo(network("model.device", "cpu"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "prompt.instruction | another",
                "prompt.system | another",
                "text.normalize | true",
                "text.candidate-template | {text} - {brand}",
                "text.max-query-tokens | 7",
                "text.max-candidate-tokens | 7",
                "pair.max-tokens | 77",
                "pair.trained-tokens | 77",
                "pass.max-tokens | 777",
                "cache.vision.max-bytes | 7 mb",
                "image.min-pixels | 4000",
                "image.max-pixels | 77777",
                "image.rules | published",
                "image.max-decoded-pixels | 7777",
                "image.max-bytes | 7 kb",
                "image.max-per-candidate | 7",
                "image.roots | /somewhere",
                "image.roots | /a;/b",
                "fetch.max-redirects | 7",
                "fetch.allow-private-addresses | true"
            })
    void jobsThatDifferInWhatAnswersDependOnDoNot(String name, String value) {
        assertThat(network(name, value)).isNotEqualTo(network("model.device", "cpu"));
    }

    @Test
    void oneFolderIsNotTwo() {
        assertThat(network("image.roots", "/a, /b")).isNotEqualTo(network("image.roots", "/a;/b"));
    }

    @Test
    void filesThatWereReplacedAreOthers() throws Exception {
        Path spellings = Files.writeString(folder.resolve("names.txt"), "iPhone #");
        Object before = network("text.spellings", spellings.toString());
        Files.writeString(spellings, "iPhone # Pro");

        assertThat(network("text.spellings", spellings.toString())).isNotEqualTo(before);
    }

    @Test
    void aJobWithAnotherRuleFindsItsNetworkLoaded() throws Exception {
        Engine loaded;
        try (EngineRegistry.Lease before = new QwenEngineFactory(config("rules", "")).lease()) {
            loaded = before.engine();
            assertThat(ranked(before, Rules.NONE).results()).hasSize(2);
        }
        try (EngineRegistry.Lease after = new QwenEngineFactory(config("rules", "all: score >= 0 -> drop")).lease()) {
            assertThat(after.engine()).isSameAs(loaded);
            assertThat(ranked(after, Rules.parse(List.of("all: score >= 0 -> drop")))
                            .leftOut())
                    .extracting(RankedCandidate::rules)
                    .containsExactly(List.of("all"), List.of("all"));
        }
    }

    private static RerankedList ranked(EngineRegistry.Lease lease, Rules rules) throws Exception {
        CandidateList list = Lists.of("q", 2);
        return Ranking.rank(list, lease.submit(list, Lists.realtime()).get(), rules);
    }

    private static Object network(String name, String value) {
        return new QwenEngineFactory(config(name, value)).key().network();
    }

    private static RerankConfig config(String name, String value) {
        Map<String, String> values =
                new HashMap<>(Map.of("model.checkpoint", CHECKPOINT, "model.device", "cpu", "realtime.timeout", "0 s"));
        values.put(name, value);
        return RerankConfig.of(values);
    }
}
