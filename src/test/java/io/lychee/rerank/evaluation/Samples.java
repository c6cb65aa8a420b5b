package io.lychee.rerank.evaluation;

import io.lychee.rerank.config.OutputFormat;
import io.lychee.rerank.domain.CandidateStatus;
import io.lychee.rerank.domain.Latency;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.ModelInfo;
import io.lychee.rerank.domain.RankedCandidate;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.domain.Usage;
import io.lychee.rerank.kafka.SourceRecord;
import io.lychee.rerank.records.AnswerEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/** Drawn answers whose scores know something about relevance. */
public final class Samples {

    private static final AnswerEncoder JSON = new AnswerEncoder(OutputFormat.JSON, 8 << 20);

    private Samples() {}

    /** @param title of every candidate; null for none */
    public static RerankedList answer(String id, Random random, int candidates, int topN, @Nullable String title) {
        List<RankedCandidate> all = new ArrayList<>();
        for (int i = 1; i <= candidates; i++) {
            int draw = random.nextInt(10);
            Integer relevance = draw == 0 ? null : draw < 7 ? 0 : draw < 9 ? 1 : 2;
            double grade = relevance == null ? 0 : relevance;
            all.add(candidate("sku-" + i, i, 1 / (1 + Math.exp(1 - grade - random.nextGaussian())), relevance, title));
        }
        return answer(id, ListStatus.COMPLETE, all, topN, Map.of("group", "group " + random.nextInt(3)));
    }

    static RankedCandidate candidate(
            String id, int retrievalRank, @Nullable Double score, @Nullable Integer relevance, @Nullable String title) {
        return new RankedCandidate(
                id,
                null,
                retrievalRank,
                null,
                score,
                null,
                score,
                score == null ? CandidateStatus.NOT_SCORED : CandidateStatus.SCORED,
                null,
                null,
                false,
                List.of(),
                title == null ? Map.of() : Map.of("title", title),
                relevance);
    }

    static RerankedList answer(
            String id, ListStatus status, List<RankedCandidate> all, int topN, Map<String, String> attributes) {
        List<RankedCandidate> order = all.stream()
                .sorted(Comparator.comparing(RankedCandidate::score, Comparator.nullsLast(Comparator.reverseOrder())))
                .toList();
        List<RankedCandidate> leftOut = order.stream()
                .skip(topN)
                .sorted(Comparator.comparing(RankedCandidate::retrievalRank))
                .toList();
        return new RerankedList(
                id,
                status,
                status == ListStatus.COMPLETE ? null : Reason.DEADLINE,
                null,
                Instant.EPOCH,
                order.subList(0, Math.min(topN, order.size())),
                leftOut,
                new Latency(0, 0, 0, 0),
                new Usage(0, 0, 0, 0),
                new ModelInfo("test", "0"),
                attributes,
                null);
    }

    public static String json(RerankedList answer) {
        byte[] line = JSON.encode(answer, SourceRecord.line("test", 0, new byte[0], 0)).value;
        return new String(line, StandardCharsets.UTF_8) + "\n";
    }

    /** So many drawn answers as JSON lines. */
    public static String lines(long seed, int count) {
        Random random = new Random(seed);
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < count; i++) {
            lines.append(json(answer("q-" + i, random, 5 + random.nextInt(30), 1 + random.nextInt(30), "a mug")));
        }
        return lines.toString();
    }
}
