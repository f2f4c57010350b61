/*
 * acl.c: who may use and who may change a model.  Asked at every call, never
 * remembered.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "internal.h"

/* Tell whether the current user may use a model: superuser, owner, or a role it is granted to */
bool
store_may_use(Oid owner, Datum granted)
{
	Oid user = GetUserId();
	ArrayType *users;
	const Oid *roles;
	int n;

	if (has_privs_of_role(user, owner))
		return true;
	users = DatumGetArrayTypeP(granted);
	if (ARR_NDIM(users) != 1 || ARR_HASNULL(users))
		return false;
	n = ARR_DIMS(users)[0];
	roles = (const Oid *) ARR_DATA_PTR(users);
	for (int i = 0; i < n; i++)
		if (roles[i] == ACL_ID_PUBLIC || has_privs_of_role(user, roles[i]))
			return true;
	return false;
}

/* Raise unless the current user owns a model */
void
store_require_owner(const StoreRow *row)
{
	if (!has_privs_of_role(GetUserId(), row->owner))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("must be owner of model \"%s\"", NameStr(row->name))));
}
