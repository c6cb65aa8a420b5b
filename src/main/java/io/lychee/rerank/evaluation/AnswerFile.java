package io.lychee.rerank.evaluation;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.RankedCandidate;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.kafka.SourceRecord;
import io.lychee.rerank.records.LineReader;
import io.lychee.rerank.wire.RerankedListCodec;
import io.lychee.rerank.wire.UnreadableException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Answers with relevance labels, as {@code rerank} and {@code consume} write them. Of several answers to one list the
 * most complete counts, as the contract has it.
 *
 * @param unjudged lists left out because none of their candidates has a relevance
 * @param repeated answers left out because there is another to the same list
 */
public record AnswerFile(List<JudgedQuery> queries, int unjudged, int repeated) {

    private static final int MAX_LINE = 64 << 20;

    private record Best(ListStatus status, JudgedQuery query) {}

    /** @throws ConfigException when a line is no answer, or none has a relevance */
    public static AnswerFile read(Path file) throws IOException {
        AnswerFile all = readAll(file);
        List<JudgedQuery> queries =
                all.queries.stream().filter(query -> !query.judged().isEmpty()).toList();
        if (queries.isEmpty()) {
            throw new ConfigException(file + ":1: no answer of this file holds a candidate with a relevance; put"
                    + " \"relevance\" into the candidates before they are reranked");
        }
        return new AnswerFile(queries, all.queries.size() - queries.size(), all.repeated);
    }

    /**
     * Reads also the lists without relevance.
     *
     * @throws ConfigException when a line is no answer
     */
    public static AnswerFile readAll(Path file) throws IOException {
        Map<String, Best> answers = new LinkedHashMap<>();
        int lines = 0;
        try (LineReader reader = new LineReader(file.toString(), Files.newInputStream(file), MAX_LINE)) {
            for (SourceRecord line = reader.read(); line != null; line = reader.read()) {
                lines++;
                RerankedList answer = decode(line);
                answers.merge(
                        answer.requestId(),
                        new Best(answer.status(), query(answer, line)),
                        (one, other) -> other.status().compareTo(one.status()) < 0 ? other : one);
            }
        }
        if (lines == 0) {
            throw new ConfigException(file + ":1: the file is empty; expected answers, one a line");
        }
        return new AnswerFile(answers.values().stream().map(Best::query).toList(), 0, lines - answers.size());
    }

    /** Replaces the relevance by judgements: query, document, grade. */
    public AnswerFile judgedBy(Map<String, Map<String, Integer>> judgements) {
        return new AnswerFile(
                queries.stream()
                        .map(query -> judge(query, judgements.getOrDefault(query.id(), Map.of())))
                        .toList(),
                unjudged,
                repeated);
    }

    private static JudgedQuery judge(JudgedQuery query, Map<String, Integer> grades) {
        List<RankedDocument> after = query.after().stream()
                .map(place -> new RankedDocument(
                        place.id(), place.title(), place.retrievalRank(), place.score(), grades.get(place.id())))
                .toList();
        List<Integer> judged =
                grades.values().stream().filter(grade -> grade >= 0).toList();
        return new JudgedQuery(query.id(), query.attributes(), null, after, judged);
    }

    private static RerankedList decode(SourceRecord line) {
        if (line.size > MAX_LINE) {
            throw new ConfigException(line + ": the line has " + line.size + " bytes; at most " + MAX_LINE);
        }
        try {
            RerankedList answer = RerankedListCodec.decode(Objects.requireNonNull(line.value));
            String shortened = answer.shortened();
            if (shortened != null && (shortened.contains("left_out") || shortened.contains("results behind"))) {
                throw new ConfigException(
                        line + ": this answer lost candidates, so its quality can't be known: " + shortened);
            }
            return answer;
        } catch (UnreadableException e) {
            throw new ConfigException(line + ": no answer: " + e.getMessage(), e);
        }
    }

    private static JudgedQuery query(RerankedList answer, SourceRecord line) {
        List<RankedCandidate> candidates = new ArrayList<>(answer.results());
        answer.leftOut().stream()
                .sorted(Comparator.comparingInt(RankedCandidate::retrievalRank))
                .forEach(candidates::add);
        List<RankedDocument> after = candidates.stream().map(AnswerFile::place).toList();
        @Nullable RankedDocument[] before = new RankedDocument[after.size()];
        for (RankedDocument place : after) {
            int at = place.retrievalRank() - 1;
            if (at < 0 || at >= before.length || before[at] != null) {
                throw new ConfigException(line + ": retrieval_rank " + place.retrievalRank() + " of " + before.length
                        + " candidates; expected each of 1 to " + before.length + " once");
            }
            before[at] = place;
        }
        List<Integer> judged = after.stream()
                .map(RankedDocument::relevance)
                .filter(relevance -> relevance != null && relevance >= 0)
                .toList();
        return new JudgedQuery(
                answer.requestId(),
                answer.attributes(),
                Arrays.stream(before).map(Objects::requireNonNull).toList(),
                after,
                judged);
    }

    private static RankedDocument place(RankedCandidate candidate) {
        return new RankedDocument(
                candidate.id(),
                candidate.attributes().get("title"),
                candidate.retrievalRank(),
                candidate.score(),
                candidate.relevance());
    }
}
