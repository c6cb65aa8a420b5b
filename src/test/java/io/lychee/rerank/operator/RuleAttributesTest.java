package io.lychee.rerank.operator;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Content;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class RuleAttributesTest {

    @Test
    void anAttributeThatNoCandidateHasIsNamedWithThoseThereAre() {
        RuleAttributes attributes = new RuleAttributes(Set.of("sale", "brand"));
        for (int i = 0; i < RuleAttributes.FIRST_LISTS; i++) {
            attributes.see(list(Map.of("sales", "7", "br\nand", "x", "a" + i, "")));
        }
        attributes.see(list(Map.of("brand", "too late")));

        assertThat(attributes.warning())
                .startsWith("rules look at [brand, sale], which no candidate of the first 100 lists has; ")
                .contains("br?and", "sales")
                .hasSizeLessThan(300)
                .doesNotContain("\n");
    }

    @Test
    void attributesThatWereSeenAreNoReason() {
        RuleAttributes attributes = new RuleAttributes(Set.of("sales", "brand"));
        attributes.see(list(Map.of("sales", "7")));
        assertThat(attributes.warning()).contains("[brand]", "first 1 lists");
        attributes.see(list(Map.of("brand", "x")));
        assertThat(attributes.warning()).isNull();
        assertThat(new RuleAttributes(Set.of()).warning()).isNull();
    }

    private static CandidateList list(Map<String, String> attributes) {
        Candidate candidate = new Candidate("a", new Content("text", List.of()), null, attributes, null);
        return new CandidateList("q", null, Map.of(), new Content("text", List.of()), List.of(candidate), null, null);
    }
}
