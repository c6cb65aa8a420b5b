package io.lychee.rerank.job;

import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.kafka.OutputRecord;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;

/**
 * Counts the outputs of a bounded run, cut off or not: lists, dead letters, and candidates by why they have no score.
 */
public final class Tally {

    private static final String CHECKPOINT = "checkpoint";
    private static final String ANSWERS = "answers";
    private static final String DEAD_LETTERS = "dead-letters";
    private static final String UNSCORED = "unscored";
    private static final String CANDIDATES = "candidates";
    private static final String REJECTED = "rejected.";

    private final Map<String, Long> counts = new TreeMap<>();

    /** Marks counts with the checkpoint that they are of. */
    static Tally of(long checkpoint, Tally tally) {
        Tally marked = parse(tally.text());
        marked.counts.put(CHECKPOINT, checkpoint);
        return marked;
    }

    /** Returns the number that {@link #of} was given, else 0. */
    long checkpoint() {
        return count(CHECKPOINT);
    }

    /** Reads {@link #text}. */
    static Tally parse(String text) {
        Tally tally = new Tally();
        text.lines()
                .map(line -> line.split(" ", 2))
                .forEach(pair -> tally.counts.put(pair[0], Long.parseLong(pair[1])));
        return tally;
    }

    /** Writes one count a line. */
    String text() {
        StringBuilder text = new StringBuilder();
        counts.forEach(
                (name, count) -> text.append(name).append(' ').append(count).append('\n'));
        return text.toString();
    }

    void add(OutputRecord record) {
        add(record.deadLetter ? DEAD_LETTERS : ANSWERS, 1);
        add(UNSCORED, record.unscored ? 1 : 0);
        add(CANDIDATES, record.candidates);
        for (String reason : record.rejected) {
            add(REJECTED + reason, 1);
        }
    }

    private void add(String name, long count) {
        counts.merge(name, count, Long::sum);
    }

    private long count(String name) {
        return counts.getOrDefault(name, 0L);
    }

    /** Records that became answers. */
    public long answers() {
        return count(ANSWERS);
    }

    /** Records that could not be read. */
    public long deadLetters() {
        return count(DEAD_LETTERS);
    }

    /** Lists without any score. */
    public long unscored() {
        return count(UNSCORED);
    }

    /** Candidates of all lists. */
    public long candidates() {
        return count(CANDIDATES);
    }

    /** Candidates that could not be scored whatever the time, by reason, the most frequent first. */
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
