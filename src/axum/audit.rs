//! A guard's routes beside the roles of a tenant.

use super::guard::Guard;
use crate::audit::{AuditRequest, Directory, Row};

impl<S: Clone + Send + Sync + 'static> Guard<S> {
    /// Puts the routes of this guard beside the roles of a tenant: who may call what, and what does not fit. See
    /// [`audit`](crate::audit). Each route counts as the server judges it that it was added with: a merged guard may have
    /// another one.
    ///
    /// ```
    /// use orgate::audit::{Rules, Severity, TenantFile};
    /// use orgate::Guard;
    ///
    /// # async fn example(guard: Guard) -> Result<(), Box<dyn std::error::Error>> {
    /// let audit = guard.audit(&TenantFile::new("tenant.json")).await?;
    /// println!("{audit}");
    /// std::fs::write("audit.html", audit.report().to_html())?;
    /// audit.check(&Rules::new().deny_all(Severity::Error))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn audit<'a>(&self, directory: &'a dyn Directory) -> AuditRequest<'a> {
        let row = |(description, server): (_, Option<_>)| {
            let server = server.unwrap_or_else(|| self.server().clone());
            Row { description, server }
        };
        AuditRequest::of(self.server().clone(), self.table().into_iter().map(row).collect(), directory)
    }
}
