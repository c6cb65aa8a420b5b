package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Lane;

/**
 * Shapes the answers of one caller, so that callers with other rules and timeouts can share an engine.
 *
 * @param rules applied to scores ({@code rules})
 * @param realtimeTimeoutMs for lists without their own; 0 means none ({@code realtime.timeout})
 * @param backfillTimeoutMs for lists without their own; 0 means none ({@code backfill.timeout})
 */
public record CallerSettings(Rules rules, long realtimeTimeoutMs, long backfillTimeoutMs) {

    public static final CallerSettings NONE = new CallerSettings(Rules.NONE, 0, 0);

    long timeoutMs(CandidateList list, Lane lane) {
        Long own = list.timeoutMs();
        if (own != null) {
            return own;
        }
        return lane == Lane.REALTIME ? realtimeTimeoutMs : backfillTimeoutMs;
    }
}
