package io.lychee.rerank.scoring;

import java.util.List;
import java.util.function.ToIntFunction;
import java.util.stream.Stream;

/** One forward pass of the network: for each of its lists the shared prefix once, then candidates. */
public record Pass(List<Group> groups) {

    /** Candidates of one list, or some of them, behind the prefix they share. */
    public record Group(PromptPart prefix, List<PromptPart> candidates) {

        public Group {
            candidates = List.copyOf(candidates);
            if (candidates.isEmpty()) {
                throw new IllegalArgumentException("a group without candidates");
            }
        }

        /** Returns what the network reads: the prefix once, and each candidate. */
        private Stream<PromptPart> parts() {
            return Stream.concat(Stream.of(prefix), candidates.stream());
        }
    }

    public Pass {
        groups = List.copyOf(groups);
        if (groups.isEmpty()) {
            throw new IllegalArgumentException("a pass without groups");
        }
    }

    /** Splits two or more candidates into two passes, in order. */
    List<Pass> halves() {
        int half = groups.size() / 2;
        if (half > 0) {
            return List.of(new Pass(groups.subList(0, half)), new Pass(groups.subList(half, groups.size())));
        }
        Group group = groups.get(0);
        List<PromptPart> all = group.candidates();
        return Stream.of(all.subList(0, all.size() / 2), all.subList(all.size() / 2, all.size()))
                .map(part -> new Pass(List.of(new Group(group.prefix(), part))))
                .toList();
    }

    private int sum(ToIntFunction<PromptPart> count) {
        return groups.stream().flatMap(Group::parts).mapToInt(count).sum();
    }

    /** Counts tokens of the language model: each prefix once, and each candidate. */
    public int tokens() {
        return sum(part -> part.tokens().length);
    }

    /** Counts tokens of images. */
    int visionTokens() {
        return sum(PromptPart::visionTokens);
    }

    /** Counts images, each as often as it occurs. */
    int images() {
        return sum(part -> part.images().size());
    }

    /** Counts tokens saved by prefix sharing. */
    int prefixTokensSaved() {
        return groups.stream()
                .mapToInt(g -> g.prefix().tokens().length * (g.candidates().size() - 1))
                .sum();
    }

    /** Counts the scores it yields. */
    public int candidates() {
        return groups.stream().mapToInt(g -> g.candidates().size()).sum();
    }
}
