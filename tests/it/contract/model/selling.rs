//! What staff do.

use super::{EventStatus, Model, Outcome, Person, error, refusal};
use serde_json::{Value, json};

impl Model {
    pub fn open_sale(&mut self, who: Person, version: i64) -> Outcome {
        self.change_status(who, version, EventStatus::Closed, EventStatus::OnSale)?;
        Ok(json!({"__typename": "SaleOpened", "event": self.event_json()}))
    }

    pub fn close_sale(&mut self, who: Person, version: i64) -> Outcome {
        self.change_status(who, version, EventStatus::OnSale, EventStatus::Closed)?;
        Ok(json!({"__typename": "SaleClosed", "event": self.event_json()}))
    }

    fn change_status(
        &mut self,
        who: Person,
        version: i64,
        from: EventStatus,
        to: EventStatus,
    ) -> Result<(), Value> {
        require_staff(who)?;
        self.check_version(version)?;
        if self.status != from {
            return Err(self.wrong_status());
        }
        (self.status, self.version) = (to, version + 1);
        Ok(())
    }

    fn check_version(&self, version: i64) -> Result<(), Value> {
        if self.version == version {
            return Ok(());
        }
        let more = json!({"expectedVersion": version, "event": self.event_json()});
        Err(refusal("EventVersionConflict", "VERSION_CONFLICT", more))
    }

    fn wrong_status(&self) -> Value {
        let more = json!({"event": self.event_json()});
        refusal("EventStatusConflict", "STATUS_CONFLICT", more)
    }
}

fn require_staff(who: Person) -> Result<(), Value> {
    match who {
        Person::Tess => Ok(()),
        Person::Visitor => Err(error("UNAUTHENTICATED")),
        Person::Anna | Person::Ben => Err(error("FORBIDDEN")),
    }
}
