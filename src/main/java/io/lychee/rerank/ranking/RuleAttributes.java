package io.lychee.rerank.ranking;

import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.CandidateList;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Warns once of rules on attributes, such as misspelt ones, that no candidate of the first lists has. One thread. */
public final class RuleAttributes implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(RuleAttributes.class);

    /** Lists that are looked at; fewer where the input ends before. */
    static final int FIRST_LISTS = 100;

    /** Names that a warning holds. */
    static final int MAX_NAMES = 20;

    private final Set<String> missing;
    private final Set<String> seen = new TreeSet<>();
    private int lists;

    public RuleAttributes(Rules rules) {
        missing = new TreeSet<>(rules.attributes());
    }

    public void check(CandidateList list) {
        if (missing.isEmpty() || lists == FIRST_LISTS) {
            return;
        }
        for (Candidate candidate : list.candidates()) {
            missing.removeAll(candidate.attributes().keySet());
            for (String name : candidate.attributes().keySet()) {
                if (seen.size() < MAX_NAMES) {
                    seen.add(name.substring(0, Math.min(name.length(), 100)).replaceAll("\\p{Cntrl}", "?"));
                }
            }
        }
        if (++lists == FIRST_LISTS) {
            warn();
        }
    }

    @Override
    public void close() {
        if (lists > 0 && lists < FIRST_LISTS) {
            warn();
        }
    }

    private void warn() {
        String warning = warning();
        if (warning != null) {
            LOG.warn(warning);
        }
    }

    /** Returns null where every attribute was found. */
    @Nullable
    String warning() {
        return missing.isEmpty()
                ? null
                : "rules look at %s, which no candidate of the first %d lists has; its attributes are %s"
                        .formatted(missing, lists, seen);
    }
}
