package io.lychee.rerank.wire;

import io.lychee.rerank.config.RerankOptions.OutputFormat;
import io.lychee.rerank.domain.CandidateList;

/** Candidate lists to bytes, for whoever publishes them. */
public final class CandidateListEncoder {

    private CandidateListEncoder() {}

    public static byte[] encode(CandidateList list, OutputFormat format) {
        return SizeBudget.encode(WireSchema.CANDIDATE_LIST, CandidateLists.toRecord(list), format);
    }
}
