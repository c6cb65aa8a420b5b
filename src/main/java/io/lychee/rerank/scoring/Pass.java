package io.lychee.rerank.scoring;

import java.util.List;

/** One forward of the network: for each of its lists the shared prefix once, then candidates. */
public record Pass(List<Group> groups) {

    /** Candidates of one list, or a slice of them, behind the prefix they share. */
    public record Group(Segment prefix, List<Segment> candidates) {

        public Group {
            candidates = List.copyOf(candidates);
            if (candidates.isEmpty()) {
                throw new IllegalArgumentException("a group without candidates");
            }
        }

        /** Tokens the language model sees: the prefix once, and each candidate. */
        public int tokens() {
            return prefix.tokens().length
                    + candidates.stream().mapToInt(c -> c.tokens().length).sum();
        }
    }

    public Pass {
        groups = List.copyOf(groups);
        if (groups.isEmpty()) {
            throw new IllegalArgumentException("a pass without groups");
        }
    }

    /** Tokens the language model sees. */
    public int tokens() {
        return groups.stream().mapToInt(Group::tokens).sum();
    }

    /** How many scores it yields. */
    public int candidates() {
        return groups.stream().mapToInt(g -> g.candidates().size()).sum();
    }
}
