package io.lychee.rerank.job;

import com.fasterxml.jackson.databind.JsonNode;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.kafka.OutputRecord;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;

/** Counts the outputs of a bounded run: lists, dead letters, and candidates by the reason why they have no score. */
public final class Tally {

    private static final String ANSWERS = "answers";
    private static final String DEAD_LETTERS = "dead-letters";
    private static final String UNSCORED = "unscored";
    private static final String CANDIDATES = "candidates";
    private static final String REJECTED = "rejected.";

    private final Map<String, Long> counts = new TreeMap<>();

    /** @param json of {@link #json}; a missing node for none */
    Tally(JsonNode json) {
        json.properties()
                .forEach(count -> counts.put(count.getKey(), count.getValue().asLong()));
    }

    JsonNode json() {
        return RunFolder.tree(counts);
    }

    void add(OutputRecord record) {
        add(record.deadLetter ? DEAD_LETTERS : ANSWERS, 1);
        add(UNSCORED, record.unscoredList ? 1 : 0);
        add(CANDIDATES, record.candidates);
        for (String reason : record.unscorable) {
            add(REJECTED + reason, 1);
        }
    }

    private void add(String name, long count) {
        counts.merge(name, count, Long::sum);
    }

    private long count(String name) {
        return counts.getOrDefault(name, 0L);
    }

    public long answers() {
        return count(ANSWERS);
    }

    /** Counts the records that could not be read. */
    public long deadLetters() {
        return count(DEAD_LETTERS);
    }

    /** Counts the records that were answered or could not be read. */
    public long records() {
        return answers() + deadLetters();
    }

    public long unscored() {
        return count(UNSCORED);
    }

    public long candidates() {
        return count(CANDIDATES);
    }

    /** Counts the candidates that could not be scored whatever the time, by reason, the most frequent first. */
    public Map<Reason, Long> rejected() {
        Map<Reason, Long> rejected = new LinkedHashMap<>();
        counts.entrySet().stream()
                .filter(count -> count.getKey().startsWith(REJECTED))
                .sorted(Map.Entry.<String, Long>comparingByValue().reversed())
                .forEach(count ->
                        rejected.put(Reason.valueOf(count.getKey().substring(REJECTED.length())), count.getValue()));
        return rejected;
    }
}
